package front

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// big is more than either server gathers before it sends.
func big(size int) string { return strings.Repeat("0123456789abcdef", size/16) }

// conduct is something that a handler does.
type conduct struct {
	name string
	do   http.HandlerFunc
}

func conducts() []conduct {
	set := func(fields ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(fields); i += 2 {
				w.Header().Add(fields[i], fields[i+1])
			}
		}
	}
	says := func(code int, body string, header func(http.ResponseWriter)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			header(w)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	return append([]conduct{
		{"nothing", func(http.ResponseWriter, *http.Request) {}},
		{"a word", says(200, "hello", set())},
		{"html", says(200, "<html>", set())},
		{"a type", says(200, "hello", set("Content-Type", "a/b"))},
		{"no type", says(200, "hello", func(w http.ResponseWriter) { w.Header()["Content-Type"] = nil })},
		{"a compressed body", says(200, "hello", set("Content-Encoding", "gzip"))},
		{"a length", says(200, "hello", set("Content-Length", "5"))},
		{"chunks", says(200, "hello", set("Transfer-Encoding", "chunked", "Content-Type", "a/b"))},
		{"no body in chunks", says(200, "", set("Transfer-Encoding", "chunked"))},
		{"a date", says(200, "hello", set("Date", "Thu, 01 Jan 1970 00:00:00 GMT"))},
		{"cookies", says(200, "hello", set("Set-Cookie", "a=1", "Set-Cookie", "b=2"))},
		{"split fields", says(200, "hello", set("X-A", "a\r\nX-B: b", "X-C", " c "))},
		{"a bad name", says(200, "hello", set("X A", "a"))},
		{"connection close", says(200, "hello", set("Connection", "close"))},
		{"an odd status", says(299, "hello", set())},
		{"not found", says(404, "hello", set())},
		{"no content", says(204, "", set())},
		{"no content with a length", says(204, "", set("Content-Length", "5"))},
		{"not modified", says(304, "", set("Content-Length", "5", "Content-Type", "a/b", "Etag", `"1"`))},
		{"not modified, with a lower case length", says(304, "", func(w http.ResponseWriter) { w.Header()["content-length"] = []string{"5"} })},
		{"2 KiB", says(200, big(2048), set())},
		{"more than 2 KiB", says(200, big(2064), set())},
		{"4 KiB with a length", says(200, big(4096), set("Content-Length", "4096"))},
		{"100 KiB", says(200, big(100<<10), set())},
		{"100 KiB with a length", says(200, big(100<<10), set("Content-Length", fmt.Sprint(100<<10)))},
		{"a long head", says(200, "hello", set("X-A", big(10<<10)))},
	}, livelyConducts()...)
}

// livelyConducts do more than one thing.
func livelyConducts() []conduct {
	return []conduct{
		{"trailers", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-None")
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("X-Sum", "7")
			w.Header().Set(http.TrailerPrefix+"X-Late", "8")
		}},
		{"pieces", func(w http.ResponseWriter, _ *http.Request) {
			for _, piece := range []string{"a", "", "b", big(4080), "c"} {
				_, _ = io.WriteString(w, piece)
			}
		}},
		{"early hints", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "hello")
		}},
		{"fields after the status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			w.Header().Set("X-Late", "1")
		}},
		{"two statuses", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(500)
		}},
		{"too many bytes", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "hello")
			if _, err := io.WriteString(w, "!"); !errors.Is(err, http.ErrContentLength) {
				panic(err)
			}
		}},
		{"a body where none is allowed", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "!"); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}},
		{"what was asked", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Fprintln(w, r.Method, r.URL, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, r.Close, r.Proto, len(body), err != nil)
			for _, key := range slices.Sorted(maps.Keys(r.Header)) {
				fmt.Fprintln(w, key, r.Header[key])
			}
			for _, key := range slices.Sorted(maps.Keys(r.Trailer)) {
				fmt.Fprintln(w, "trailer", key, r.Trailer[key])
			}
		}},
	}
}

// asks are requests, each of which ends its connection.
func asks() map[string]string {
	const end = "Host: x:80\r\nConnection: close\r\n"
	return map[string]string{
		"GET":               "GET /a%2Fb?c=d HTTP/1.1\r\n" + end + "\r\n",
		"HEAD":              "HEAD / HTTP/1.1\r\n" + end + "\r\n",
		"POST":              "POST / HTTP/1.1\r\n" + end + "Content-Length: 5\r\n\r\nhello",
		"chunks":            "PUT / HTTP/1.1\r\n" + end + "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
		"trailers":          "POST / HTTP/1.1\r\n" + end + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\nX-More: 8\r\n\r\n",
		"expect":            "POST / HTTP/1.1\r\n" + end + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
		"expect no body":    "POST / HTTP/1.1\r\n" + end + "Expect: 100-continue\r\n\r\n",
		"malformed chunk":   "POST / HTTP/1.1\r\n" + end + "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		"malformed trailer": "POST / HTTP/1.1\r\n" + end + "Transfer-Encoding: chunked\r\n\r\n0\r\nX Y\r\n\r\n",
		"many fields":       "GET / HTTP/1.1\r\n" + end + strings.Repeat("X-A: 1\r\nx-b:2 \r\nAccept:\t*/*\r\n", 20) + "\r\n",
		"no such host":      "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
		"old":               "GET / HTTP/1.0\r\n\r\n",
		"absolute":          "GET http://y/z HTTP/1.1\r\n" + end + "\r\n",
		"options":           "OPTIONS * HTTP/1.1\r\n" + end + "\r\n",
		"pragma":            "GET / HTTP/1.1\r\n" + end + "Pragma: no-cache\r\n\r\n",
		"long head":         "GET / HTTP/1.1\r\n" + end + "X-Long: " + big(2*readerSize) + "\r\n\r\n",
		"bare LF":           "GET / HTTP/1.1\nHost: x\nConnection: close\n\n",
		"bare LF, chunks":   "POST / HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\n\n1\r\na\r\n0\r\n\r\n",
		"nonsense":          "\x16\x03\x01" + big(64) + "\r\n\r\n",
	}
}

// Whatever a handler does, and a client asks, the answer is the one of net/http.
func TestServer_AnswersAsNetHTTPDoes(t *testing.T) {
	t.Parallel()
	for _, c := range conducts() {
		_, ours := start(t, c.do)
		theirs := likeOurs(t, c.do)
		for name, ask := range asks() {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				method, _, _ := strings.Cut(ask, " ")
				got, want := normal(exchangeRaw(t, ours, ask), method), normal(exchangeRaw(t, theirs, ask), method)
				if got != want {
					t.Errorf("got\n%.800s\nwant\n%.800s", got, want)
				}
			})
		}
	}
}

func exchangeRaw(t *testing.T, address, ask string) string {
	c := dial(t, address)
	c.say("%s", ask)
	return c.rest()
}

func TestServer_KeepsTheConnection(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	c := dial(t, address)
	for _, ask := range []string{
		"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + big(100000),
	} {
		c.say("%s", ask)
		if answer, body := c.answer("GET"); body != "/1" || answer.Close {
			t.Errorf("after %.40q: %q, close %t", ask, body, answer.Close)
		}
	}
	c.say("GET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HTT")
	c.say("P/1.1\r\nHo")
	c.say("st: x\r\n\r\n")
	for _, want := range []string{"/2", "/3", "/4"} {
		if _, body := c.answer("GET"); body != want {
			t.Errorf("got %q, want %q", body, want)
		}
	}
}

func TestServer_RefusesTwoLengths(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") })
	c := dial(t, address)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1") != 1 {
		t.Errorf("got %q", got)
	}
}

func TestServer_SendsWhatIsFlushed(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	_, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		<-more
		_, _ = io.WriteString(w, "second")
	})
	c := dial(t, address)
	c.say(get)
	answer, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 5)
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("%q, %v", first, err)
	}
	close(more)
	if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != "second" {
		t.Errorf("%q, %v", rest, err)
	}
}

// A handler that answers before it has read is heard, and both may go on at once.
func TestServer_IsFullDuplex(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		piece := make([]byte, 1)
		for {
			n, err := r.Body.Read(piece)
			_, _ = w.Write(piece[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	})
	c := dial(t, address)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
	answer, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1)
	for _, next := range []string{"b", "c", ""} {
		if _, err := io.ReadFull(answer.Body, piece); err != nil {
			t.Fatal(err)
		}
		c.say("%s", next)
	}
	if string(piece) != "c" {
		t.Errorf("got %q", piece)
	}
}

func TestServer_AnswersAClientThatIsStillSending(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	})
	c := dial(t, address)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nhello")
	if answer, body := c.answer("POST"); answer.StatusCode != 413 || body != "too much\n" {
		t.Errorf("%d %q", answer.StatusCode, body)
	}
	if rest := c.rest(); rest != "" {
		t.Errorf("then came %q", rest)
	}
}

func TestServer_AsksForTheBodyOnce(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	c := dial(t, address)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if line, _ := c.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q", line)
	}
	_, _ = c.ReadString('\n')
	c.say("hello")
	if _, body := c.answer("POST"); body != "hello" {
		t.Errorf("got %q", body)
	}
	c.say(get)
	c.answer("GET")
}

func TestServer_CutsAnAnswerThatPanics(t *testing.T) {
	t.Parallel()
	for _, failure := range []any{http.ErrAbortHandler, "oh"} {
		_, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
			panic(failure)
		})
		c := dial(t, address)
		c.say(get)
		if got := c.rest(); !strings.HasSuffix(got, "5\r\nhello\r\n") {
			t.Errorf("%v: got %q", failure, got)
		}
	}
}

func TestServer_EndsAfterAShortAnswer(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
	})
	c := dial(t, address)
	c.say(get)
	if got := c.rest(); !strings.HasSuffix(got, "\r\n\r\nhello") {
		t.Errorf("got %q", got)
	}
}

// What is left of a long body is not read: the client is told that its connection ends.
func TestAnswer_ToALongBodyThatNobodyReadsIsTheLast(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	for length, last := range map[int]bool{drainLimit - 1: false, drainLimit: true} {
		c := dial(t, address)
		c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
		go func() { _, _ = io.WriteString(c.TCPConn, strings.Repeat("x", length)) }()
		if answer, _ := c.answer("POST"); answer.Close != last {
			t.Errorf("%d bytes: close is %t", length, answer.Close)
		}
	}
}
