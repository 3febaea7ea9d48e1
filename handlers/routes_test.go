package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"faas-docker/function"
)

// fakeRoutes has two routes, takes every text but "bad", and deletes one.
type fakeRoutes struct{ puts []string }

func (f *fakeRoutes) Routes() RouteList {
	return RouteList{Routes: []Route{{ID: "shop", Source: "api", Rule: "* -> <shunt>"}, {ID: "old", Source: "file", Problem: "broken"}}, Sources: []RouteSource{{Name: "api", Rules: 1}}}
}

func (f *fakeRoutes) PutRoutes(_ context.Context, id, text string) ([]Route, error) {
	if text == "bad" {
		return nil, function.Invalid("routes", "line 1, column 1: no rule")
	}
	f.puts = append(f.puts, id+"="+text)
	return []Route{{ID: id, Source: "api", Rule: text}}, nil
}

func (f *fakeRoutes) DeleteRoute(_ context.Context, id string) error {
	if id != "shop" {
		return function.NotFound("route %q was not made over the API", id)
	}
	return nil
}

func TestRouteTable(t *testing.T) {
	t.Parallel()
	fake := &fakeRoutes{}
	m := (&scene{API: API{Routes: fake}}).routes()
	for _, tc := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/system/routes", "", 200, `"problem":"broken"`},
		{"GET", "/system/routes/shop", "", 200, `{"id":"shop","source":"api","rule":"* -> <shunt>"}`},
		{"GET", "/system/routes/nobody", "", 404, "GET /system/routes lists all"},
		{"PUT", "/system/routes", "a: * -> <shunt>", 200, `"source":"api"`},
		{"PUT", "/system/routes/b", " * -> <shunt>\n", 200, `"id":"b"`},
		{"PUT", "/system/routes/b", "bad", 400, "line 1, column 1"},
		{"PUT", "/system/routes/b", strings.Repeat("x", maxBody+1), 413, "larger than 4 MiB"},
		{"DELETE", "/system/routes/shop", "", 200, ""},
		{"DELETE", "/system/routes/nobody", "", 404, "not made over the API"},
		{"POST", "/system/routes", "", 405, "use GET, PUT"},
	} {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tc.method, tc.path, strings.NewReader(tc.body)))
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.says) {
			t.Errorf("%s %s: got %d %s", tc.method, tc.path, w.Code, w.Body)
		}
		if w.Code == http.StatusOK && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: no JSON: %s", tc.method, tc.path, w.Body)
		}
	}
	if got := strings.Join(fake.puts, ", "); got != "=a: * -> <shunt>, b=* -> <shunt>" {
		t.Errorf("put %s", got)
	}
}
