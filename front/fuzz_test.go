package front

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzServer sends the same bytes to this server and to one of net/http alone: the
// handler sees the same requests, and the client the same answers, to the last. Where this
// server refuses a request that net/http serves, the request is one that it is meant to
// refuse.
func FuzzServer(f *testing.F) {
	for _, ask := range asks() {
		f.Add([]byte(ask))
		f.Add([]byte(strings.ReplaceAll(ask, "Connection: close\r\n", "")))
		f.Add([]byte(get + ask))
		f.Add([]byte(strings.ReplaceAll(ask, "Connection: close\r\n", "") + ask))
	}
	for _, row := range oddities() {
		f.Add([]byte(row.ask))
		f.Add([]byte(get + row.ask))
	}
	_, ours := start(f, describe)
	theirs := likeOurs(f, describe)
	f.Fuzz(func(t *testing.T, raw []byte) {
		sent := requestsIn(string(raw))
		got, want := answersIn(everything(t, ours, raw), sent), answersIn(everything(t, theirs, raw), sent)
		if !isAsGood(got, want, sent) {
			t.Errorf("to %.500q\n%v\nwant\n%v", raw, got, want)
		}
	})
}

// isAsGood reports whether answers are the wanted ones, up to where this server means to end
// the connection.
func isAsGood(got, want []said, sent []sentRequest) bool {
	number := 0
	for i, answer := range got {
		of := sent[min(number, len(sent)-1)]
		switch {
		case i >= len(want):
			return false
		case answer.text == refused && want[i].text != refused:
			return isMeantToDiffer(of.head)
		case answer.text == want[i].text && of.broken && i == len(got)-2:
			return true
		case answer.text != want[i].text:
			return false
		case answer.closes && !want[i].closes:
			return of.broken && i == len(got)-2
		case answer.code >= 200:
			number++
		}
	}
	return len(got) == len(want)
}

// sentRequest is a request among those that are sent, one behind the other.
type sentRequest struct {
	method, head string
	// broken is set when its body does not come to an end.
	broken bool
}

// requestsIn splits what is sent into requests, as net/http reads them. The last is what is no
// request, or nothing.
func requestsIn(raw string) (sent []sentRequest) {
	text := strings.NewReader(raw)
	reader := bufio.NewReader(text)
	for {
		rest := raw[len(raw)-text.Len()-reader.Buffered():]
		request := sentRequest{head: rest}
		request.method, _, _ = strings.Cut(rest, " ")
		if end := blankLine.FindStringIndex(rest); end != nil {
			request.head = rest[:end[1]]
		}
		r, err := http.ReadRequest(reader)
		if err != nil {
			return append(sent, request)
		}
		_, err = io.Copy(io.Discard, r.Body)
		request.broken = err != nil
		sent = append(sent, request)
		if err != nil {
			return sent
		}
	}
}

var blankLine = regexp.MustCompile(`\r?\n\r?\n`)

// isMeantToDiffer reports whether a head is one that only this server refuses: it can be read
// in two ways.
func isMeantToDiffer(head string) bool {
	line, fields, _ := strings.Cut(head, "\n")
	method, rest, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
	target, proto, _ := strings.Cut(rest, " ")
	codings, lengths, hosts := fieldsNamed(fields, "transfer-encoding"), fieldsNamed(fields, "content-length"), fieldsNamed(fields, "host")
	switch {
	case method == "PRI":
		return true
	case folded.MatchString(fields):
		return true
	case len(codings) > 0 && (len(lengths) > 0 || proto == "HTTP/1.0"):
		return true
	case len(hosts) > 0 && !plainHost.MatchString(hosts[0]):
		return true
	case method == "CONNECT":
		return !plainHost.MatchString(target)
	}
	return !strings.HasPrefix(target, "/") && target != "*" && !plainURL.MatchString(target)
}

// folded finds a line that begins with a blank.
var folded = regexp.MustCompile(`(?m)^[ \t]`)

// What is surely a host, and a URL with one. Others may be, too.
var (
	plainHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,4})?$`)
	plainURL  = regexp.MustCompile(`^[A-Za-z]+://[A-Za-z0-9.-]+(:[0-9]{1,4})?([/?]|$)`)
)

func fieldsNamed(fields, name string) (values []string) {
	for line := range strings.Lines(fields) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.EqualFold(strings.TrimSpace(key), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// describe answers with what it was asked.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%q %q %q %q %d %v %q\n%q %v\n", r.Method, r.URL, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, r.Proto, body, err != nil)
	for _, fields := range []http.Header{r.Header, r.Trailer} {
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			fmt.Fprintf(w, "%q %q\n", key, fields[key])
		}
	}
}

// everything is what a server answers to bytes after which no more will come.
func everything(t *testing.T, address string, raw []byte) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write(raw)
	_ = conn.(*net.TCPConn).CloseWrite()
	text, err := io.ReadAll(conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		t.Fatalf("no end after %.500q: %.500q", raw, text)
	}
	return string(text)
}

// answersIn are the answers on a connection; the last is its end.
func answersIn(raw string, sent []sentRequest) (answers []said) {
	reader := bufio.NewReader(strings.NewReader(raw))
	for number := 0; ; {
		answer := nextAnswer(reader, sent[min(number, len(sent)-1)].method)
		answers = append(answers, answer)
		if answer.code == 0 {
			return answers
		}
		if answer.code >= 200 {
			number++
		}
	}
}
