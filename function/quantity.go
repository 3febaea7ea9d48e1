package function

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a time as OpenFaaS writes it: a Go duration ("90s", "1m30s"), or
// whole seconds.
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

// ParseMemory reads an amount of memory in bytes, as Kubernetes writes it
// ("128Mi", "1.5Gi", "500M", "1e8") or as Docker does ("128m", "512mb", "1g").
// In Kubernetes a lower-case m means thousandths, which no one can mean of
// memory; here it is Docker's: mebibytes.
func ParseMemory(text string) (int64, error) {
	number, unit := splitUnit(text)
	factor, ok := memoryFactor(unit)
	if !ok {
		return 0, fmt.Errorf("memory %q: unknown unit %q", text, unit)
	}
	amount, err := strconv.ParseFloat(number, 64)
	bytes := math.Ceil(amount * factor)
	if err != nil || !(bytes >= 1 && bytes < math.MaxInt64) {
		return 0, fmt.Errorf("memory %q: not a positive amount", text)
	}
	return int64(bytes), nil
}

// memoryFactor knows both vocabularies: capitals alone are Kubernetes' powers of
// ten, all the rest are powers of two.
func memoryFactor(unit string) (float64, bool) {
	switch unit {
	case "", "b", "B":
		return 1, true
	case "K":
		return 1e3, true
	case "M":
		return 1e6, true
	case "G":
		return 1e9, true
	case "T":
		return 1e12, true
	}
	switch strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(unit), "b"), "i") {
	case "k":
		return 1 << 10, true
	case "m":
		return 1 << 20, true
	case "g":
		return 1 << 30, true
	case "t":
		return 1 << 40, true
	}
	return 0, false
}

// ParseCPU reads an amount of processor time in billionths of a core, as
// Kubernetes ("100m", "0.5", "2") and Docker ("0.5") write it.
func ParseCPU(text string) (int64, error) {
	number, unit := splitUnit(text)
	factor, ok := map[string]float64{"": 1e9, "m": 1e6}[unit]
	if !ok {
		return 0, fmt.Errorf("cpu %q: unknown unit %q", text, unit)
	}
	amount, err := strconv.ParseFloat(number, 64)
	nanos := math.Ceil(amount * factor)
	if err != nil || !(nanos >= 1 && nanos < 1e15) {
		return 0, fmt.Errorf("cpu %q: not a positive amount", text)
	}
	return int64(nanos), nil
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

// splitUnit cuts "1.5Gi" into "1.5" and "Gi". An exponent stays with the number.
func splitUnit(text string) (number, unit string) {
	number = strings.TrimRightFunc(text, func(c rune) bool { return !strings.ContainsRune("0123456789.", c) })
	return number, text[len(number):]
}
