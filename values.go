package main

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"faas-docker/engine"
	"faas-docker/function"
	"faas-docker/handlers"
)

func setText(into *string) func(string) error {
	return func(text string) error { *into = text; return nil }
}

func setHost(into *string) func(string) error {
	return func(text string) error {
		*into = text
		if _, err := netip.ParseAddr(text); err != nil && text != "localhost" {
			return fmt.Errorf("want an IP address, or localhost")
		}
		return nil
	}
}

func setNetwork(into *string) func(string) error {
	return func(text string) error {
		*into = text
		if !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$`).MatchString(text) {
			return fmt.Errorf("want a network name of letters, digits, '_', '.' and '-'")
		}
		if slices.Contains([]string{"bridge", "host", "none", "default"}, text) {
			return fmt.Errorf("want a network of its own, not one of Docker's")
		}
		return nil
	}
}

func setNamespace(into *string) func(string) error {
	return func(text string) error { *into = text; return function.ValidateNamespace(text) }
}

func setPullPolicy(into *engine.PullPolicy) func(string) error {
	return func(text string) error {
		policy, err := engine.ParsePullPolicy(text)
		*into = policy
		return err
	}
}

func setInfoShape(into *handlers.Behind) func(string) error {
	return func(text string) error {
		*into = handlers.Behind(text)
		if !slices.Contains([]handlers.Behind{handlers.BehindAuto, handlers.BehindDirect, handlers.BehindGateway}, *into) {
			return fmt.Errorf("want direct, gateway or auto")
		}
		return nil
	}
}

func setInt(into *int, least, most int) func(string) error {
	return func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		*into = n
		return nil
	}
}

// setHeaderSize takes no less than what net/http reads beyond any limit.
func setHeaderSize(into *int) func(string) error {
	const least, most = 4 << 10, 16 << 20
	return func(text string) error {
		size, err := function.ParseMemory(text)
		if err != nil || size < least || size > most {
			return fmt.Errorf("want an amount from 4Ki to 16Mi, such as 64Ki")
		}
		*into = int(size)
		return nil
	}
}

func setBodySize(into *int64) func(string) error {
	return func(text string) error {
		*into = 0
		if text == "0" {
			return nil
		}
		size, err := function.ParseMemory(text)
		if err != nil || size <= 0 {
			return fmt.Errorf("want an amount such as 512Ki or 10Mi, or 0 for no limit")
		}
		*into = size
		return nil
	}
}

func setBool(into *bool) func(string) error {
	return func(text string) error {
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("want true or false")
		}
		*into = b
		return nil
	}
}

// setDuration takes a Go duration or whole seconds, as faas-provider does.
func setDuration(into *time.Duration) func(string) error {
	return func(text string) error {
		d, err := time.ParseDuration(text)
		if seconds, notSeconds := strconv.Atoi(text); notSeconds == nil {
			d, err = time.Duration(seconds)*time.Second, nil
		}
		if err != nil || d <= 0 {
			return fmt.Errorf("want a positive time such as 90s, 5m, or 60 for seconds")
		}
		*into = d
		return nil
	}
}

func setList(into *[]string) func(string) error {
	return func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*into = append(*into, part)
			}
		}
		return nil
	}
}

func setPrefixes(into *[]netip.Prefix) func(string) error {
	return func(text string) error {
		var list []string
		_ = setList(&list)(text)
		for _, part := range list {
			prefix, err := netip.ParsePrefix(part)
			if err != nil {
				return fmt.Errorf("%q is not a network such as 10.0.0.0/8", part)
			}
			*into = append(*into, prefix)
		}
		return nil
	}
}

func setLevel(into *hclog.Level) func(string) error {
	return func(text string) error {
		*into = hclog.LevelFromString(text)
		if *into == hclog.NoLevel {
			return fmt.Errorf("want trace, debug, info, warn or error")
		}
		return nil
	}
}

func setFormat(into *bool) func(string) error {
	return func(text string) error {
		*into = text == "json"
		if text != "json" && text != "text" {
			return fmt.Errorf("want text or json")
		}
		return nil
	}
}
