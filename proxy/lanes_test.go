package proxy

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"faas-docker/front"
	"faas-docker/function"
)

// describing answers with what it was asked, in the way that the request wants.
func describing(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var said strings.Builder
	fmt.Fprintf(&said, "%q %q %q %d %v %q %v\n", r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, body, err != nil)
	for _, fields := range []http.Header{r.Header, r.Trailer} {
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			if key != "X-Start-Time" && (key != "X-Call-Id" || len(fields.Get(key)) != len("00000000-0000-0000-0000-000000000000")) {
				fmt.Fprintf(&said, "%q %q\n", key, fields[key])
			}
		}
	}
	header := w.Header()
	switch want := r.Header.Get("Want"); want {
	case "204", "304", "404", "426", "500":
		header["Etag"], header["Upgrade"] = []string{`"1"`}, []string{"x/1"}
		var code int
		_, _ = fmt.Sscan(want, &code)
		w.WriteHeader(code)
	case "chunks":
		_ = http.NewResponseController(w).Flush()
	case "trailer":
		header["Trailer"] = []string{"X-Sum", "Content-Length, X-Late"}
		header[http.TrailerPrefix+"X-More"] = []string{"8"}
		defer func() { header["X-Sum"], header["X-Late"] = []string{"7"}, []string{"9"} }()
	case "hints":
		header["Link"] = []string{"</a>; rel=preload"}
		w.WriteHeader(http.StatusEarlyHints)
	case "long":
		said.WriteString(strings.Repeat("0123456789abcdef", 6<<10))
	case "fields":
		header["Set-Cookie"], header["Connection"] = []string{"a=1", "b=2"}, []string{"X-Own, close"}
		header["X-Own"], header["X-Call-Id"], header["Date"] = []string{"1"}, []string{"own"}, []string{"Thu, 01 Jan 1970 00:00:00 GMT"}
		header["Content-Type"] = nil
	}
	_, _ = io.WriteString(w, said.String())
}

// lanes are two servers before the same function: one whose plain calls take the short lane, and
// one of which none does.
type lanes struct {
	express, plain string
	// carried counts the calls that the short lane has carried.
	carried *atomic.Int64
}

// counted is a lane that counts what it carries.
type counted struct {
	front.Lane
	carried *atomic.Int64
}

func (c counted) Carry(call *front.Call) front.Verdict {
	verdict := c.Lane.Carry(call)
	if verdict != front.Declined {
		c.carried.Add(1)
	}
	return verdict
}

// serveLanes runs a handler behind both lanes and returns its address.
func serveLanes(t testing.TB, h *Handler) string {
	t.Helper()
	return serveWith(t, h, func(full *http.Server) server { return &front.Server{HTTP: full, Lane: h} })
}

func newLanes(t testing.TB) lanes {
	h := newHandler(t)
	h.MaxRequestBody = 32 << 10
	address := serve(t, http.HandlerFunc(describing))
	prove(t, h, deploy(t, h, "f", address))
	prove(t, h, deploy(t, h, "f.dev", address))
	h.Guarded = func(name function.Name) bool { return name.Name == "guarded" }
	l := lanes{plain: serveWith(t, h, func(full *http.Server) server { return &front.Server{HTTP: full} }), carried: new(atomic.Int64)}
	l.express = serveWith(t, h, func(full *http.Server) server {
		return &front.Server{HTTP: full, Lane: counted{h, l.carried}}
	})
	return l
}

// everything is what a server answers to bytes after which no more will come, but for what differs
// from call to call.
func everything(t *testing.T, address string, raw []byte) (answers []string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = conn.Write(raw)
	// Not CloseWrite: a client that has done so is taken for gone.
	reader := bufio.NewReader(conn)
	for {
		if len(answers) == strings.Count(string(raw), "HTTP/1.") {
			return answers // whatever else it is waiting for
		}
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		answer, err := http.ReadResponse(reader, methodOf(raw, len(answers)))
		if err != nil {
			return append(answers, "end")
		}
		body, err := io.ReadAll(answer.Body)
		for _, key := range []string{"Date", "X-Start-Time", "Connection"} {
			if answer.Header.Get(key) != "Thu, 01 Jan 1970 00:00:00 GMT" {
				answer.Header.Del(key)
			}
		}
		if id := answer.Header.Get("X-Call-Id"); len(id) == len("00000000-0000-0000-0000-000000000000") {
			answer.Header.Del("X-Call-Id")
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusEarlyHints {
			answers = append(answers, fmt.Sprintln(answer.Status, answer.Header, answer.ContentLength, answer.TransferEncoding, string(body), err, answer.Trailer))
		}
		if answer.Close {
			return append(answers, "end")
		}
	}
}

// methodOf is the request that a number of answers leaves; only whether it is HEAD counts.
func methodOf(raw []byte, answered int) *http.Request {
	lines := strings.Split(string(raw), "\n")
	for _, line := range lines {
		if !strings.Contains(line, " HTTP/1.") {
			continue
		}
		if answered == 0 {
			method, _, _ := strings.Cut(line, " ")
			return &http.Request{Method: method}
		}
		answered--
	}
	return &http.Request{Method: http.MethodGet}
}

// lanesAsks are connections' worth of requests. Those that plain is set for are carried.
func lanesAsks() map[string]struct {
	ask   string
	plain int64
} {
	type row = struct {
		ask   string
		plain int64
	}
	const end = " HTTP/1.1\r\nHost: x:80\r\n"
	get := func(fields string) string { return "GET /function/f/a?b=c" + end + fields + "\r\n" }
	rows := map[string]row{
		"GET":                    {get(""), 1},
		"HEAD":                   {"HEAD /function/f" + end + "\r\n", 1},
		"OPTIONS":                {"OPTIONS /function/f.dev/" + end + "\r\n", 1},
		"DELETE":                 {"DELETE /function/f?" + end + "\r\n", 1},
		"POST without":           {"POST /function/f" + end + "\r\n", 1},
		"POST of nothing":        {"POST /function/f" + end + "Content-Length: 0\r\n\r\n", 1},
		"POST":                   {"POST /function/f" + end + "Content-Length: 5\r\n\r\nhello", 1},
		"PUT":                    {"PUT /function/f//x/../y" + end + "content-length:5  \r\nContent-Type: a/b\r\n\r\nhello", 1},
		"PATCH of 30 KiB":        {"PATCH /function/f" + end + "Content-Length: 30720\r\n\r\n" + strings.Repeat("x", 30<<10), 1},
		"POST of too much":       {"POST /function/f" + end + "Content-Length: 33000\r\n\r\n" + strings.Repeat("x", 33000), 0},
		"chunks":                 {"POST /function/f" + end + "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n", 0},
		"trailers":               {"POST /function/f" + end + "Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\n\r\n", 0},
		"both lengths":           {"POST /function/f" + end + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0},
		"two lengths":            {"POST /function/f" + end + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 0},
		"a length with sign":     {"POST /function/f" + end + "Content-Length: +5\r\n\r\nhello", 0},
		"two hosts":              {get("Host: y\r\n"), 0},
		"no host":                {"GET /function/f HTTP/1.1\r\n\r\n", 0},
		"a bad host":             {"GET /function/f HTTP/1.1\r\nHost: u@x\r\n\r\n", 0},
		"HTTP/1.0":               {"GET /function/f HTTP/1.0\r\nHost: x\r\n\r\n", 0},
		"bare LF":                {"GET /function/f HTTP/1.1\nHost: x\n\n", 0},
		"folded":                 {get("X-A: 1\r\n 2\r\n"), 0},
		"space before colon":     {get("X-A : 1\r\n"), 0},
		"a NUL":                  {get("X-A: a\x00b\r\n"), 0},
		"expect":                 {"POST /function/f" + end + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 0},
		"upgrade":                {get("Connection: Upgrade\r\nUpgrade: h2c\r\n"), 0},
		"listed fields":          {get("Connection: X-A\r\nX-A: 1\r\n"), 0},
		"te":                     {get("TE: trailers\r\n"), 0},
		"pragma":                 {get("Pragma: no-cache\r\n"), 0},
		"forwarded":              {get("Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"), 0},
		"x-forwarded":            {get("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Anything: 1\r\nX_Forwarded_For: 6.6.6.6\r\n"), 0},
		"x-forwarded alone":      {get("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Prefix: /a\r\n"), 1},
		"underscores":            {get("X_A: 1\r\n"), 0},
		"own call id":            {get("X-Call-Id: mine\r\nX-Start-Time: 7\r\n"), 1},
		"a call id that is none": {get("X-Call-Id: a b\r\n"), 1},
		"keep-alive":             {get("Connection: Keep-Alive\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n"), 1},
		"repeated fields":        {get("Accept: a\r\naccept: b\r\nCookie: a=1\r\nCookie: b=2\r\nX-Empty:\r\nX-Tab:\ta\tb \r\n"), 1},
		"latin":                  {get("X-A: caf\xe9 \u00e9\r\n"), 1},
		"escapes":                {"GET /function/f/a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"bad escapes":            {"GET /function/f/%zz HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"a fragment":             {"GET /function/f?a#b HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"unknown":                {"GET /function/nobody HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"no function":            {"GET /function/ HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"elsewhere":              {"GET /functions/f HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"guarded":                {"GET /function/guarded HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"a method":               {"TRACE /function/f" + end + "\r\n", 0},
		"a URL":                  {"GET http://y/function/f HTTP/1.1\r\nHost: x\r\n\r\n", 0},
		"a long head":            {get("X-Long: " + strings.Repeat("x", 9<<10) + "\r\n"), 0},
		"close":                  {get("Connection: close\r\n"), 1},
	}
	for _, want := range []string{"204", "304", "404", "426", "500", "chunks", "trailer", "hints", "long", "fields"} {
		rows["answer "+want] = row{get("Want: " + want + "\r\n"), 1}
	}
	return rows
}

// Both lanes tell the function and the client the same, whatever follows on the connection.
func TestLanes_SayTheSame(t *testing.T) {
	t.Parallel()
	l := newLanes(t)
	const next = "GET /function/f/next HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, row := range lanesAsks() {
		before := l.carried.Load()
		for _, raw := range []string{row.ask, row.ask + next, next + row.ask, row.ask + row.ask} {
			got, want := everything(t, l.express, []byte(raw)), everything(t, l.plain, []byte(raw))
			if !slices.Equal(got, want) {
				t.Errorf("%s: to %.300q the short lane says\n%.900q\nand the other\n%.900q", name, raw, got, want)
			}
		}
		if row.plain == 0 {
			continue
		}
		if carried := l.carried.Load() - before; carried < 4*row.plain {
			t.Errorf("%s: %d calls took the short lane", name, carried)
		}
	}
}

// FuzzLanes sends the same connection through both lanes.
func FuzzLanes(f *testing.F) {
	for _, row := range lanesAsks() {
		f.Add([]byte(row.ask + row.ask))
	}
	l := newLanes(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, want := everything(t, l.express, raw), everything(t, l.plain, raw)
		if !slices.Equal(got, want) {
			t.Errorf("to %.500q the short lane says\n%q\nand the other\n%q", raw, got, want)
		}
	})
}

// Of a replica that has not answered for itself yet an empty answer is waited past only where the
// client accepts a type of events: other calls reach the function once.
func TestLanes_AnEmptyAnswerIsEarlyForStreamsOnly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fields      string
		hasWatchdog bool
		isEarly     bool
	}{
		"a body of events":        {"Content-Type: application/x-ndjson\r\n", true, false},
		"a field of one's own":    {"X-Note: text/event-stream\r\n", true, false},
		"accepts events":          {"Accept: text/event-stream\r\n", true, true},
		"accepts events, as well": {"Accept: text/html\r\nAccept: Application/X-NDJSON\r\n", true, true},
		"there is no watchdog":    {"Accept: application/json, text/event-stream\r\n", false, false},
	} {
		for _, lane := range []bool{true, false} {
			h := newHandler(t)
			h.WakeTimeout = 100 * time.Millisecond
			h.Policy = func(function.Name) function.CallPolicy { return function.CallPolicy{HasWatchdog: test.hasWatchdog} }
			var calls atomic.Int64
			deploy(t, h, "f", serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.Header()["Content-Type"] = nil
			})))
			address := serveWith(t, h, func(full *http.Server) server {
				s := &front.Server{HTTP: full}
				if lane {
					s.Lane = h
				}
				return s
			})
			s := &stage{T: t, address: address}
			client := s.dial()
			client.say("POST /function/f HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n%s\r\nhi", test.fields)
			want := "HTTP/1.1 200 "
			if test.isEarly {
				want = "HTTP/1.1 503 "
			}
			if said := client.rest(); !strings.HasPrefix(said, want) || !test.isEarly && calls.Load() != 1 {
				t.Errorf("%s, short lane %t: %d calls, got %q", name, lane, calls.Load(), said)
			}
		}
	}
}
