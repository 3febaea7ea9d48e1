package function

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a Go duration ("90s", "1m30s") or whole seconds, as OpenFaaS writes both.
func ParseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(text, 10, 33); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	return time.ParseDuration(text)
}

// parseCount reads a whole number that is not negative.
func parseCount(text string) (int, error) {
	count, err := strconv.ParseUint(text, 10, 31)
	return int(count), err
}

// ParseMemory reads an amount of memory in bytes, as Kubernetes writes it ("128Mi", "1.5Gi",
// "500M", "1e8") or as Docker does ("128m", "512mb", "1g"). A lower-case m is Docker's,
// mebibytes: Kubernetes' thousandths make no sense of memory.
func ParseMemory(text string) (int64, error) {
	return parseAmount("memory", text, memoryFactor, math.MaxInt64)
}

// memoryFactor knows both vocabularies: capitals alone are Kubernetes' powers of
// ten, all the rest are powers of two. It is zero for an unknown unit.
func memoryFactor(unit string) float64 {
	decimal := map[string]float64{"": 1, "b": 1, "B": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
	if factor, known := decimal[unit]; known {
		return factor
	}
	binary := map[string]float64{"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
	return binary[strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(unit), "b"), "i")]
}

// ParseCPU reads processor time in billionths of a core, as Kubernetes ("100m", "0.5", "2") and
// Docker ("0.5") write it.
func ParseCPU(text string) (int64, error) {
	factorOf := func(unit string) float64 { return map[string]float64{"": 1e9, "m": 1e6}[unit] }
	return parseAmount("cpu", text, factorOf, 1e15)
}

// parseAmount reads a number with a unit as a whole number of the smallest, from 1 to
// less than a bound. An exponent stays with the number.
func parseAmount(what, text string, factorOf func(unit string) float64, bound float64) (int64, error) {
	number := strings.TrimRightFunc(text, func(c rune) bool { return !strings.ContainsRune("0123456789.", c) })
	unit := text[len(number):]
	factor := factorOf(unit)
	if factor == 0 {
		return 0, fmt.Errorf("%s %q: unknown unit %q", what, text, unit)
	}
	amount, err := strconv.ParseFloat(number, 64)
	amount = math.Ceil(amount * factor)
	if err != nil || !(amount >= 1 && amount < bound) {
		return 0, fmt.Errorf("%s %q: not a positive amount", what, text)
	}
	return int64(amount), nil
}

// ParseGPUs reads a count of GPUs; "all" is -1, as in Docker's device requests.
func ParseGPUs(text string) (int, error) {
	if text == "all" {
		return -1, nil
	}
	count, err := strconv.Atoi(text)
	if err != nil || count < 1 || count > 64 {
		return 0, fmt.Errorf("gpus %q: not a count", text)
	}
	return count, nil
}
