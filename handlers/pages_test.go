package handlers

import (
	"net/http"
	"strings"
	"testing"
)

func TestPageGuard_KeepsEveryPageOut(t *testing.T) {
	t.Parallel()
	const (
		sites = "a web page of another site"
		pages = "a web page may not control the provider"
		post  = http.MethodPost
		us    = "http://localhost:8080"
	)
	for _, test := range []struct {
		name   string
		method string // GET when empty
		header string // "Key: value" separated by "; "
		want   string // part of the refusal; empty means let in
	}{
		{name: "curl"},
		{name: "faas-cli", method: http.MethodPut, header: "User-Agent: faas-cli/dev; Authorization: Bearer x"},
		{name: "program on Node.js", method: post, header: "Sec-Fetch-Mode: cors; User-Agent: node; Accept-Language: *"},
		{name: "typed by the user", header: "Sec-Fetch-Site: none; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document; Sec-Fetch-User: ?1"},
		{name: "extension of the user", method: post, header: "Sec-Fetch-Site: none; Sec-Fetch-Mode: cors"},
		{name: "link on another site", header: "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document"},
		{name: "window of a function's page, which gets no look into it", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document"},

		{name: "other site's form", method: post, header: "Sec-Fetch-Site: cross-site", want: sites},
		{name: "other site's form, as a navigation", method: post, header: "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document; Origin: https://evil.example", want: sites},
		{name: "other port's page", method: post, header: "Sec-Fetch-Site: same-site", want: sites},
		{name: "old browser, other site", method: http.MethodDelete, header: "Origin: https://evil.example", want: sites},
		{name: "opaque origin", method: http.MethodPut, header: "Origin: null", want: sites},
		{name: "other site's image", header: "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: no-cors; Sec-Fetch-Dest: image", want: pages},
		{name: "other site's frame", header: "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: iframe", want: pages},
		{name: "other site's script", header: "Sec-Fetch-Site: cross-site; Sec-Fetch-Mode: no-cors; Sec-Fetch-Dest: script", want: pages},

		{name: "function's page reads", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Sec-Fetch-Dest: empty; Referer: " + us + "/function/evil/", want: pages},
		{name: "the same without a referrer", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Sec-Fetch-Dest: empty", want: pages},
		{name: "the same with a forged referrer", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Referer: " + us + "/ui/", want: pages},
		{name: "the same, forged as ours", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: same-origin; Referer: " + us + "/system/functions", want: pages},
		{name: "function's page writes", method: post, header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Origin: " + us, want: pages},
		{name: "function's page deletes", method: http.MethodDelete, header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Origin: " + us, want: pages},
		{name: "function's form", method: post, header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document; Origin: " + us, want: pages},
		{name: "function's frame", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: iframe", want: pages},
		{name: "function's prefetch", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: no-cors; Sec-Purpose: prefetch", want: pages},
		{name: "function's service worker", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document; Service-Worker-Navigation-Preload: true", want: pages},
		{name: "function's service worker, address typed", header: "Sec-Fetch-Site: none; Sec-Fetch-Mode: navigate; Sec-Fetch-Dest: document; Service-Worker-Navigation-Preload: 1", want: pages},
		{name: "function's WebSocket", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: websocket; Origin: " + us, want: pages},
		{name: "route's page", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Referer: " + us + "/shop", want: pages},
		{name: "unheard-of site", header: "Sec-Fetch-Site: same-galaxy; Sec-Fetch-Mode: cors", want: pages},
		{name: "without TLS, writing", method: post, header: "Origin: " + us + "; Referer: " + us + "/function/evil/", want: pages},
		{name: "without TLS, reading", header: "Referer: " + us + "/function/evil/", want: pages},

		{name: "page of the gateway reads", header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Referer: http://127.0.0.1:8081/ui/"},
		{name: "page of the gateway writes", method: post, header: "Sec-Fetch-Site: same-origin; Sec-Fetch-Mode: cors; Origin: http://127.0.0.1:8081; Referer: http://127.0.0.1:8081/ui/"},
		{name: "page of the gateway under another name", method: post, header: "Sec-Fetch-Site: same-origin; Origin: http://127.0.0.1:8082", want: pages},
		{name: "name that begins like the gateway's", header: "Referer: http://127.0.0.1:80812/", want: pages},
		{name: "gateway as user", header: "Referer: http://127.0.0.1:8081@evil.example/", want: pages},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			guarded := PageGuard{Origins: []string{"http://127.0.0.1:8081"}}.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			w, r := newExchange(t, or(test.method, http.MethodGet), "/system/functions")
			r.Host = "localhost:8080"
			for field := range strings.SplitSeq(test.header, "; ") {
				if key, value, found := strings.Cut(field, ": "); found {
					r.Header.Set(key, value)
				}
			}
			guarded.ServeHTTP(w, r)
			if reached != (test.want == "") {
				t.Fatalf("got %d %q, want refusal %q", w.Code, w.Body, test.want)
			}
			if test.want != "" && (w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), test.want)) {
				t.Errorf("got %d %q, want 403 %q", w.Code, w.Body, test.want)
			}
			for key, want := range map[string]string{"Content-Security-Policy": "sandbox", "X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff"} {
				if got := w.Header().Get(key); !strings.HasPrefix(got, want) {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
		})
	}
}
