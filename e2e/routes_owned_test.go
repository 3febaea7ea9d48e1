package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// A later deployment takes no host from another function; what they may share is shared, and
// the host comes before the path.
func TestRoutesAnnotations_AHostBelongsToOneFunction(t *testing.T) {
	t.Parallel()
	h := patient(t)
	first := h.spec(t, "echo")
	host := first.Service + ".example.org"
	first.Annotations = &map[string]string{"com.openfaas.host": host}
	h.deploy(t, first)
	second := h.spec(t, "echo")
	second.Service = "a-" + second.Service // by its name it would come first
	t.Cleanup(func() { h.forget(t, second.Service, defaultNS) })
	for _, annotations := range []map[string]string{
		{"com.openfaas.host": host}, {"com.openfaas.host": strings.ToUpper(host) + ", b." + host}, {"com.openfaas.host": host, "com.openfaas.path": "/"},
		{"com.openfaas.route.a" + second.Service: `HostAny("` + host + `") && Weight(9)`},
	} {
		second.Annotations = &annotations
		h.send(t, http.MethodPost, "/system/functions", second).wants(t, http.StatusConflict, host, first.Service)
	}
	path := "/" + second.Service
	second.Annotations = &map[string]string{"com.openfaas.path": path}
	h.deploy(t, second)
	seen := func(host, path string) string {
		t.Helper()
		r := request{method: http.MethodGet, path: path, host: host, header: map[string]string{"X-Describe": "1"}}
		return strings.Join(strings.Fields(h.do(t, r).wants(t, http.StatusOK).body), "")
	}
	if got := seen("", path+"/x"); !strings.Contains(got, `"uri":"/x"`) || !strings.Contains(got, `"X-Forwarded-Prefix":["`+path+`"]`) {
		t.Errorf("by its path the second function saw %s", got)
	}
	if got := seen(host, path+"/x"); !strings.Contains(got, `"uri":"`+path+`/x"`) || strings.Contains(got, "X-Forwarded-Prefix") {
		t.Errorf("on the host of the first, which has all of it, a function saw %s", got)
	}
	if got := seen("", "/function/"+second.Service+"/x"); !strings.Contains(got, `"uri":"/x"`) || !strings.Contains(got, `"X-Forwarded-Prefix":["/function/`+second.Service+`"]`) {
		t.Errorf("by its name the second function saw %s", got)
	}
	(*second.Annotations)["com.openfaas.host"] = host
	h.send(t, http.MethodPut, "/system/functions", second).wants(t, http.StatusOK)
	eventually(t, "the second function has its path of the host", func() (bool, string) {
		got := seen(host, path+"/x")
		return strings.Contains(got, `"uri":"/x"`), got
	})
	delete(*second.Annotations, "com.openfaas.path")
	h.send(t, http.MethodPut, "/system/functions", second).wants(t, http.StatusConflict, host, first.Service)
	h.send(t, http.MethodPut, "/system/functions", first).wants(t, http.StatusOK)
}
