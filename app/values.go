package app

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/grammar"
	"faas-docker/handlers"
)

// to keeps what parse makes of a variable's text.
func to[T any](into *T, parse func(string) (T, error)) func(string) error {
	return func(text string) (err error) {
		*into, err = parse(text)
		return err
	}
}

func parseText(text string) (string, error) { return text, nil }

func parseHost(text string) (string, error) {
	if _, err := netip.ParseAddr(text); err != nil && text != "localhost" {
		return "", errors.New("want an IP address, or localhost")
	}
	return text, nil
}

// parsePublished takes an address as Compose does, an IPv6 one in brackets, or nothing.
func parsePublished(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return parseHost(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
}

func parseNetwork(text string) (string, error) {
	if !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`).MatchString(text) {
		return "", errors.New("want a network name of letters, digits, '_', '.' and '-'")
	}
	if slices.Contains([]string{"bridge", "host", "none", "default"}, text) {
		return "", errors.New("want a network of its own, not one of Docker's")
	}
	return text, nil
}

func parseNamespace(text string) (string, error) { return text, function.ValidateNamespace(text) }

// oneOf takes one of a few words.
func oneOf[T any](known map[string]T, want string) func(string) (T, error) {
	return func(text string) (T, error) {
		value, found := known[text]
		if !found {
			return value, errors.New("want " + want)
		}
		return value, nil
	}
}

func number(least, most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		return n, nil
	}
}

// parseHeaderSize takes no less than what net/http reads beyond any limit.
func parseHeaderSize(text string) (int, error) {
	const least, most = 4 << 10, 16 << 20
	size, err := function.ParseMemory(text)
	if err != nil || size < least || size > most {
		return 0, errors.New("want an amount from 4Ki to 16Mi, such as 64Ki")
	}
	return int(size), nil
}

// amount takes an amount of memory, or 0, which becomes the number that none stands for.
func amount(none int64, want string) func(string) (int64, error) {
	return func(text string) (int64, error) {
		if text == "0" {
			return none, nil
		}
		size, err := function.ParseMemory(text)
		if err != nil {
			return 0, errors.New("want " + want)
		}
		return size, nil
	}
}

func parseBool(text string) (bool, error) {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, errors.New("want true or false")
	}
	return b, nil
}

// parseTime takes a Go duration or whole seconds, as faas-provider does.
func parseTime(text string) (time.Duration, error) {
	d, err := function.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("want a positive time such as 90s, 5m, or 60 for seconds")
	}
	return d, nil
}

// listOf takes a list, separated by commas, whose entries must be as told.
func listOf(isRight func(string) bool, want string) func(string) ([]string, error) {
	return func(text string) ([]string, error) {
		var list []string
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			if !isRight(part) {
				return nil, fmt.Errorf("%q is not %s", part, want)
			}
			list = append(list, part)
		}
		return list, nil
	}
}

func isAllowedHost(text string) bool {
	_, ok := handlers.ParseAllowedHost(text)
	return ok
}

func isClient(text string) bool {
	if _, err := handlers.ParseClientPrefix(text); err == nil {
		return true
	}
	host, ok := handlers.ParseAllowedHost(text)
	return ok && host == strings.ToLower(text)
}

func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Scheme+"://"+u.Host == text
}

func parseProxies(text string) (proxies grammar.Proxies, err error) {
	_, err = listOf(func(part string) bool {
		prefix, err := netip.ParsePrefix(part)
		proxies = append(proxies, prefix)
		return err == nil
	}, "a network such as 10.0.0.0/8")(text)
	return proxies, err
}

func parseLevel(text string) (hclog.Level, error) {
	level := hclog.LevelFromString(text)
	if level == hclog.NoLevel {
		return level, errors.New("want trace, debug, info, warn or error")
	}
	return level, nil
}
