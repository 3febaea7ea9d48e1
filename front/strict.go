package front

import (
	"bytes"
	"strconv"
	"strings"

	"faas-docker/grammar"
)

// Heads that the Lane does not carry are net/http's to read. It forgives a few that two readers
// may read differently, and does not tell the handler: those are refused before.

// headEnd returns the length of a head with its blank line, also of one whose lines end without
// a CR; zero while that has not come. from is where to look on, at the beginning of any line.
func headEnd(b []byte, from int) (end, next int) {
	for {
		length := bytes.IndexByte(b[from:], '\n')
		if length < 0 {
			return 0, from
		}
		if line := b[from : from+length]; len(line) == 0 || string(line) == "\r" {
			return from + length + 1, from
		}
		from += length + 1
	}
}

// judge reads a head: where its request ends, and why that must not be served; empty when net/http
// may judge it. What net/http will refuse has no body here: its connection ends with the refusal.
func judge(head string) (r incoming, why string) {
	r.head = len(head)
	line, rest := grammar.CutLine(head)
	method, target, proto := splitRequestLine(line)
	if method == "PRI" {
		return r, "half a preface of HTTP/2"
	}
	if !isTarget(method, target) {
		return r, badTarget
	}
	if isFolded(rest) {
		return r, "a field over several lines (RFC 9112, 5.2): servers read them differently"
	}
	var hosts, lengths []string
	for name, value := range oddFields(rest) {
		switch grammar.Key(name) {
		case "Host":
			hosts = append(hosts, value)
		case "Transfer-Encoding":
			r.chunks = &chunks{}
		case "Content-Length":
			lengths = append(lengths, value)
			if length, err := strconv.ParseUint(strings.TrimSpace(value), 10, 63); err == nil {
				r.left = int64(length)
			}
		}
	}
	switch {
	case r.chunks != nil && len(lengths) > 0:
		why = "both Content-Length and Transfer-Encoding: it is not clear where the request ends"
	case r.chunks != nil && proto == "HTTP/1.0":
		why = "Transfer-Encoding in HTTP/1.0: it is not clear where the request ends"
	case len(hosts) == 1 && !grammar.IsHost(hosts[0]):
		why = badHost
	}
	return r, why
}

const (
	badTarget = "the target is neither a path nor a URL with a proper host"
	badHost   = "the host is neither a name nor an address, with or without a port"
)

func splitRequestLine(line string) (method, target, proto string) {
	method, rest, _ := strings.Cut(line, " ")
	if end := strings.LastIndexByte(rest, ' '); end >= 0 {
		return method, rest[:end], rest[end+1:]
	}
	return method, rest, ""
}

// isTarget reports whether a request line has one of the forms of a target (RFC 9112, 3.2).
func isTarget(method, target string) bool {
	if strings.HasPrefix(target, "/") || target == "*" {
		return true
	}
	if method == "CONNECT" {
		return grammar.IsHost(target)
	}
	scheme, rest, isURL := strings.Cut(target, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return isURL && isWebScheme(scheme) && grammar.IsHost(rest)
}

func isWebScheme(scheme string) bool {
	return grammar.EqualFold(scheme, "http") || grammar.EqualFold(scheme, "https")
}

// isFolded reports whether a line of a head goes on in the next one.
func isFolded(fields string) bool {
	return fields != "" && isBlank(fields[0]) || strings.Contains(fields, "\n ") || strings.Contains(fields, "\n\t")
}

// oddFields are the fields of a head.
func oddFields(text string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for text != "" {
			var line string
			line, text = grammar.CutLine(text)
			name, value, _ := strings.Cut(line, ":")
			if line == "" || !yield(grammar.Trim(name), grammar.Trim(value)) {
				return
			}
		}
	}
}

// http2Preface is the first line of clients that speak HTTP/2, and wholePreface all that
// they begin with (RFC 9113, 3.4).
const (
	http2Preface = "PRI * HTTP/2.0\r\n"
	wholePreface = http2Preface + "\r\nSM\r\n\r\n"
)

func isLineEnd(c byte) bool { return c == '\r' || c == '\n' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
