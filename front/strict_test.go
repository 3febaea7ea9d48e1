package front

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// oddity is a request that no lane serves.
type oddity struct{ name, ask string }

func oddities() []oddity {
	const both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"
	const body = "\r\n0\r\n\r\n"
	post := func(line, fields string) string { return line + "\r\nHost: x\r\n" + fields + body }
	rows := []oddity{
		{"length and chunks", post("POST / HTTP/1.1", both)},
		{"length and chunks, the other way round", post("POST / HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n")},
		{"length and chunks, bare LF", strings.ReplaceAll(post("POST / HTTP/1.1", both), "\r\n", "\n")},
		{"length and chunks, one bare LF", post("POST / HTTP/1.1", "X-A: 1\n"+both)},
		{"length and chunks, HTTP/1.0", post("POST / HTTP/1.0", both)},
		{"chunks, HTTP/1.0", post("POST / HTTP/1.0", "Transfer-Encoding: chunked\r\n")},
		{"length and chunks, a URL", post("POST http://x/ HTTP/1.1", both)},
		{"length and chunks, an upgrade", post("POST / HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"+both)},
		{"length and chunks, h2c", post("POST / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"+both)},
		{"length and chunks, folded", post("POST / HTTP/1.1", "Content-Length: 4\r\nTransfer-Encoding:\r\n chunked\r\n")},
		{"a folded field", "GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n"},
		{"a folded field, a tab, bare LF", "GET / HTTP/1.1\nHost: x\nX-A: 1\n\t2\n\n"},
		{"a folded host", "GET / HTTP/1.1\r\nHost:\r\n x\r\n\r\n"},
		{"a folded length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 4\r\n\r\nabcd"},
		{"a field folded twenty thousand times", "GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n" + strings.Repeat(" \n", 20000) + "\r\n"},
		{"a field that is blank", "GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n \r\n\r\n"},
		{"length and chunks, a long head", post("POST / HTTP/1.1", "Content-Length: 4\r\nX-Long: "+big(3*readerSize)+"\r\nTransfer-Encoding: chunked\r\n")},
		{"length and chunks, odd case", post("POST / HTTP/1.1", "cOnTeNt-lEnGtH: 4\r\nTRANSFER-encoding: chunked\r\nExpect: nothing\r\n")},
		{"length and identity", post("POST / HTTP/1.1", "Content-Length: 4\r\nTransfer-Encoding: identity\r\n")},
		{"length and an empty coding", post("POST / HTTP/1.1", "Content-Length: 4\r\nTransfer-Encoding:\r\n")},
		{"a preface, then fields", "PRI * HTTP/2.0\r\n\r\n" + post("POST / HTTP/1.1", both)},
		{"a preface with fields", post("PRI * HTTP/2.0", "X-A: 1\r\n") + post("POST / HTTP/1.1", both)},
		{"a preface with bare LF", "PRI * HTTP/2.0\n\n" + post("POST / HTTP/1.1", both)},
		{"a preface with another end", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + get},
		{"a preface of another version", "PRI * HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a preface and most of its end", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r" + get},
		{"a URL with a user", "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a URL without a host", "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a URL without slashes", "GET http:a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"a URL and a bad host", "GET http://x/ HTTP/1.1\r\nHost: [::1\r\n\r\n"},
		{"no path", "GET a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
		{"an empty host, bare LF", "GET / HTTP/1.1\nHost:\n\n"},
	}
	for _, host := range []string{"[::1", "a:b", "[::1]evil.example", "::1", "[::1]:80evil", "u@x", "x/y", "x,y", "x:65536", "x%41", "[fe80::1%25eth0]", "x:80:80", "*"} {
		rows = append(rows,
			oddity{"host " + host, "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"},
			oddity{"host " + host + ", bare LF", "GET / HTTP/1.1\nHost: " + host + "\n\n"},
			oddity{"host " + host + ", HTTP/1.0", "GET / HTTP/1.0\r\nHost: " + host + "\r\n\r\n"},
			oddity{"host " + host + ", an upgrade", "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nHost: " + host + "\r\n\r\n"},
			oddity{"host " + host + ", a URL", "GET http://" + host + " HTTP/1.1\r\nHost: x\r\n\r\n"},
			oddity{"host " + host + ", CONNECT", "CONNECT " + host + " HTTP/1.1\r\nHost: x\r\n\r\n"})
	}
	return rows
}

// What two readers may read in two ways is refused, whoever reads it here, and nothing
// behind it is read.
func TestStrict_OddRequestsAreRefusedOnEveryLane(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the handler was called: %v %v", r.URL, r.Header)
	})
	for _, row := range oddities() {
		if row.name == "host x/y, a URL" {
			continue // that is a host with a path
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			c.say("%s", row.ask)
			if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 {
				t.Errorf("to %.200q: %q", row.ask, got)
			}
		})
	}
}

// Proper requests are served, on every lane.
func TestStrict_ProperRequestsAreServed(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Host, " ", len(r.Header["X-Long"]), " ", string(body), err)
	})
	const end = "Connection: close\r\n\r\n"
	for ask, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: [::1]:80\r\n" + end:                "[::1]:80 0 <nil>",
		"GET / HTTP/1.1\nHost: x:80\n" + end:                        "x:80 0 <nil>",
		"GET / HTTP/1.0\r\n\r\n":                                    " 0 <nil>",
		"GET http://[::1]/ HTTP/1.1\r\nHost: x\r\n" + end:           "[::1] 0 <nil>",
		"GET HTTP://EXAMPLE.org:81?a HTTP/1.1\r\nHost: x\r\n" + end: "EXAMPLE.org:81 0 <nil>",
		"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n" + end:             "x:80 0 <nil>",
		// net/http answers this one itself.
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + end:                                                                 "Connection: close\r\n\r\n",
		"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n" + end + "1\r\na\r\n0\r\n\r\n":                    "x 0 a<nil>",
		"POST / HTTP/1.1\nHost: x\nContent-Length: 1\n" + end + "a":                                               "x 0 a<nil>",
		"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + big(5*readerSize) + "\r\n" + end:                                "x 1 <nil>",
		"POST / HTTP/1.1\r\nHost: x\r\nX-Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" + end + "0\r\n\r\n": "x 0 <nil>",
	} {
		t.Run(fmt.Sprintf("%.40q", ask), func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			half := len(ask) / 2
			c.say("%s", ask[:half])
			c.say("%s", ask[half:])
			if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.") || !strings.HasSuffix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A head that never ends is bounded, however its lines end.
func TestStrict_OddHeadsAreBounded(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") },
		func(full *http.Server) {
			full.MaxHeaderBytes = 4 << 10
			full.ReadHeaderTimeout = 200 * time.Millisecond
		})
	c := dial(t, address)
	go func() { _, _ = io.WriteString(c.TCPConn, "GET / HTTP/1.1\nHost: x\n"+strings.Repeat("X: 1\n", 20000)) }()
	if line, _ := c.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 431 ") {
		t.Errorf("too long: %q", line)
	}
	c = dial(t, address)
	c.say("GET / HTTP/1.1\nHost: x\n")
	if got := c.rest(); got != "" {
		t.Errorf("too slow: %q", got)
	}
	c = dial(t, address)
	c.say("PRI * HTTP/2.0\r\n\r\nSM")
	if got := c.rest(); got != "" {
		t.Errorf("too slow a preface: %q", got)
	}
}

// What Connection lists is taken off before the handler sees it, with upgrades that would
// carry HTTP, on every lane.
func TestDoor_WhatIsForTheConnectionStaysThere(t *testing.T) {
	t.Parallel()
	_, address := start(t, describe)
	for name, line := range map[string]string{"plain": "GET / HTTP/1.1\r\n", "bare LF": "GET / HTTP/1.1\n", "a URL": "GET http://x/ HTTP/1.1\r\n", "HTTP/1.0": "GET / HTTP/1.0\r\n"} {
		for fields, want := range map[string]string{
			"Connection: X-Tenant, close\r\nX-Tenant: 1\r\n":                                                `"Connection" ["close"]`,
			"Connection: close\r\nConnection: x-tenant,X-B\r\nX-Tenant: 1\r\nx-b: 1\r\n":                    `"Connection" ["close"]`,
			"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n": `"Connection" ["close"]`,
			"Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nConnection: close\r\n":                       `"Connection" ["close"]`,
			"Upgrade: websocket\r\nConnection: close\r\n":                                                   `"Connection" ["close"]`,
			"HTTP2-Settings: AAMAAABkAAQ\r\nConnection: close\r\n":                                          `"Connection" ["close"]`,
		} {
			t.Run(name+"/"+fields, func(t *testing.T) {
				t.Parallel()
				c := dial(t, address)
				c.say("%s", line+"Host: x\r\n"+fields+"\r\n")
				got := c.rest()
				for _, gone := range []string{"X-Tenant", "X-B", "Upgrade", "Http2", "h2c"} {
					if strings.Contains(got, gone) {
						t.Errorf("%s came through: %q", gone, got)
					}
				}
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

func TestDoor_Underscores(t *testing.T) {
	t.Parallel()
	const chunked = "Transfer-Encoding: chunked\r\n"
	for what, want := range map[Underscores][]string{
		KeepUnderscores: {"200", "200", "200"}, DropUnderscores: {"200", "200", "200"}, RefuseUnderscores: {"400", "400", "400"},
	} {
		s := &Server{Underscores: what, HTTP: fullServer(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, "%d%d%d", len(r.Header["X_user"]), len(r.Trailer["X_sum"]), len(r.Header["X-User"]))
		})}
		address := serve(t, s.Serve, s.Close)
		for i, ask := range []string{
			"GET / HTTP/1.1\r\nHost: x\r\nX_User: root\r\nX-User: guest\r\n",
			"GET / HTTP/1.1\nHost: x\nX_User: root\nX-User: guest\n",
			"POST / HTTP/1.1\r\nHost: x\r\nX-User: guest\r\n" + chunked,
		} {
			for _, lane := range []string{"", "Upgrade: nothing\r\n"} {
				c := dial(t, address)
				c.say("%s", ask+lane+"Connection: close\r\n\r\n"+map[bool]string{true: "0\r\nX_Sum: 7\r\n\r\n"}[i == 2])
				answer, body := c.answer("GET")
				kept := map[Underscores]string{KeepUnderscores: "101", DropUnderscores: "001"}[what]
				if i == 2 && what == KeepUnderscores {
					kept = "011"
				}
				if !strings.HasPrefix(answer.Status, want[i]) || answer.StatusCode == 200 && body != kept {
					t.Errorf("%d, %q %q: %s %q", what, ask, lane, answer.Status, body)
				}
			}
		}
	}
}

// Trailers are read as strictly as heads.
func TestDoor_Trailers(t *testing.T) {
	t.Parallel()
	_, address := start(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, "bad body", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, r.Trailer.Get("X-Sum"))
	})
	trailers := map[string]string{"X-Sum: 7": "200", "x-sum:7\r\nX-More: 8": "200", "": "200"}
	for _, bad := range []string{
		"Content-Length : 500", "Content-Length: 500", "Content-Length\t: 500", " Content-Length: 500", "Content_Length: 500", "Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Trailer: X-Sum",
		"Host: evil", "Authorization: Basic eA==", "Cookie: a=b", "Connection: close", "X-Forwarded-For: 6.6.6.6", "X_Forwarded_For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Call-Id: 1",
		"Content-Type: a/b", "Content-Encoding: gzip", "Expect: 100-continue", "Cache-Control: no-store", "Te: trailers", "Upgrade: h2c", "X-Sum : 7", ": 7", "X-Sum", "X-S\u00fcm: 7", "X-Sum: a\x00b", "X-Sum: a\x01b",
	} {
		trailers[bad] = "400"
	}
	for trailer, want := range trailers {
		for _, lane := range []string{"", "Upgrade: nothing\r\n"} {
			t.Run(fmt.Sprintf("%q %q", trailer, lane), func(t *testing.T) {
				t.Parallel()
				c, trailer := dial(t, address), trailer
				if trailer != "" {
					trailer += "\r\n"
				}
				c.say("%s", "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+lane+"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"+trailer+"\r\n")
				if answer, body := c.answer("POST"); !strings.HasPrefix(answer.Status, want) {
					t.Errorf("%s %q", answer.Status, body)
				}
			})
		}
	}
	for _, name := range []string{"Content-Length", "Authorization", "Host", "X-Forwarded-For", "X A"} {
		c := dial(t, address)
		c.say("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTrailer: %s\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", name)
		if answer, _ := c.answer("POST"); answer.StatusCode != 400 {
			t.Errorf("announced %s: %s", name, answer.Status)
		}
	}
}
