// Package routestest reads the examples of docs/routes.md, for the tests that run them.
package routestest

import (
	"fmt"
	"strconv"
	"strings"
)

// Block is a fenced piece of a document.
type Block struct {
	// Section is the heading above it.
	Section string
	// Kind is what stands behind the opening fence.
	Kind string
	Text string
	// Line is that of the opening fence.
	Line int
}

// Blocks returns the fenced pieces of a Markdown document.
func Blocks(document string) []Block {
	var blocks []Block
	section, open := "", false
	number := 0
	for line := range strings.Lines(document) {
		number++
		kind, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && !open:
			blocks = append(blocks, Block{Section: section, Kind: kind, Line: number})
			open = true
		case fence:
			open = false
		case open:
			blocks[len(blocks)-1].Text += line
		case strings.HasPrefix(line, "#"):
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return blocks
}

// Exchange is a request, and what is said of its answer.
type Exchange struct {
	// Time is when it happens; empty when that does not matter.
	Time           string
	Method, Target string
	// Header and Body are of the request.
	Header [][2]string
	Body   string
	// Status is that of the answer; zero when nothing is said of it.
	Status int
	// Fields are of the answer's header; an empty value says that there is none.
	Fields [][2]string
	// Says is the answer's body, if Speaks is set.
	Says   string
	Speaks bool
}

// Exchanges reads lines that begin with > for what is sent, < for what comes back, @ for the time.
func Exchanges(text string) ([]Exchange, error) {
	var r reader
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		var err error
		switch mark, rest := line[:1], strings.TrimPrefix(line[1:], " "); mark {
		case "@":
			r.time = rest
		case ">":
			r.sent(rest)
		case "<":
			err = r.received(rest)
		default:
			err = fmt.Errorf("neither sent nor received")
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
	}
	return r.list, nil
}

// reader is between two lines.
type reader struct {
	list []Exchange
	time string
	// sending is set within a request, body within its body.
	sending, body bool
}

func (r *reader) sent(text string) {
	if !r.sending {
		method, target, _ := strings.Cut(text, " ")
		r.list = append(r.list, Exchange{Time: r.time, Method: method, Target: target})
		r.sending, r.body = true, false
		return
	}
	e := &r.list[len(r.list)-1]
	switch key, value, _ := strings.Cut(text, ": "); {
	case r.body:
		e.Body += text
	case text == "":
		r.body = true
	default:
		e.Header = append(e.Header, [2]string{key, value})
	}
}

func (r *reader) received(text string) error {
	r.sending = false
	e := &r.list[len(r.list)-1]
	if status, err := strconv.Atoi(text); err == nil {
		e.Status = status
		return nil
	}
	if strings.HasPrefix(text, `"`) {
		said, err := strconv.Unquote(text)
		e.Says, e.Speaks = said, true
		return err
	}
	key, value, found := strings.Cut(text, ":")
	if !found {
		return fmt.Errorf("no status, field or text")
	}
	e.Fields = append(e.Fields, [2]string{key, strings.TrimSpace(value)})
	return nil
}

// Wrong says what of an answer is not as it should be; empty means all is.
func (e Exchange) Wrong(status int, field func(key string) string, body string) string {
	switch {
	case e.Status != 0 && status != e.Status:
		return fmt.Sprintf("status %d: %s", status, body)
	case e.Speaks && body != e.Says:
		return fmt.Sprintf("body %q", body)
	}
	for _, f := range e.Fields {
		if got := field(f[0]); got != f[1] {
			return fmt.Sprintf("field %s: %q", f[0], got)
		}
	}
	return ""
}
