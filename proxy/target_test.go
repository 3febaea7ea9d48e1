package proxy

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for _, tc := range []struct{ uri, name, path string }{
		{"/function/figlet", "figlet.openfaas-fn", ""},
		{"/function/figlet/", "figlet.openfaas-fn", "/"},
		{"/function/figlet?", "figlet.openfaas-fn", "?"},
		{"/function/figlet.dev/a/b?c=d", "figlet.dev", "/a/b?c=d"},
		{"/function/a.b.dev//x/../y", "a.b.dev", "//x/../y"},
		{"/function/f%69glet/a%2Fb?%zz;", "figlet.openfaas-fn", "/a%2Fb?%zz;"},
		{"http://other.example/function/figlet/x", "figlet.openfaas-fn", "/x"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = tc.uri
		got, err := parseTarget(r, "openfaas-fn")
		if err != nil || got.name.String() != tc.name || got.path != tc.path {
			t.Errorf("%q: got %v %q, %v; want %s %q", tc.uri, got.name, got.path, err, tc.name, tc.path)
		}
	}
}

func TestParseTarget_Refuses(t *testing.T) {
	for _, tc := range []struct {
		uri, host string
		want      error
	}{
		{"/function/", "x", errNoFunction},
		{"/function//x", "x", errNoFunction},
		{"/function/a%2Fb", "x", errNoFunction},
		{"/function/a$b/", "x", errNoFunction},
		{"/function/%zz", "x", errNoFunction},
		{"/elsewhere", "x", errNoFunction},
		{"/function/figlet/a b", "x", errBadTarget},
		{"/function/figlet/a\r\nX: y", "x", errBadTarget},
		{"/function/figlet", "user@x", errBadTarget},
		{"/function/figlet", "x\r\nY: z", errBadTarget},
	} {
		r := &http.Request{Method: "GET", RequestURI: tc.uri, Host: tc.host}
		if _, err := parseTarget(r, "openfaas-fn"); !errors.Is(err, tc.want) {
			t.Errorf("%q at %q: got %v, want %v", tc.uri, tc.host, err, tc.want)
		}
	}
}
