package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"
)

// namespace makes a namespace that goes, with all in it, after the test.
func (h *host) namespace(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("ns-%s-%d", tokenOf(t), serial.Add(1))
	if code, err := h.sdk.CreateNamespace(t.Context(), types.FunctionNamespace{Name: name}); err != nil {
		t.Fatalf("create namespace: %d %v", code, err)
	}
	t.Cleanup(func() {
		request, err := http.NewRequest(http.MethodDelete, h.url+"/system/namespace/"+name, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if response, err := h.client.Do(request); err == nil {
			response.Body.Close()
		}
	})
	return name
}

func TestNamespaces_CreateGetUpdateListDelete(t *testing.T) {
	t.Parallel()
	h := patient(t)
	ns := types.FunctionNamespace{Name: "ns-" + tokenOf(t), Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"json": `{"a":1}`}}
	if code, err := h.sdk.CreateNamespace(t.Context(), ns); err != nil || code != http.StatusCreated {
		t.Fatalf("create: %d %v", code, err)
	}
	h.send(t, http.MethodPost, "/system/namespace/", ns).wants(t, http.StatusConflict, ns.Name)
	h.holdsNamespace(t, ns)

	ns.Labels = map[string]string{"team": "b", "more": "x"}
	if code, err := h.sdk.UpdateNamespace(t.Context(), ns); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.holdsNamespace(t, ns)

	names, err := h.sdk.GetNamespaces(t.Context())
	if err != nil || !slices.Contains(names, ns.Name) || !slices.Contains(names, defaultNS) {
		t.Errorf("list: %v, %v; want %s and %s", names, err, ns.Name, defaultNS)
	}
	if err := h.sdk.DeleteNamespace(t.Context(), ns.Name); err != nil {
		t.Fatalf("delete: %v", err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		h.do(t, request{method: method, path: "/system/namespace/" + ns.Name, body: `{"name":"` + ns.Name + `"}`}).wants(t, http.StatusNotFound, ns.Name)
	}
}

// holdsNamespace compares what is stored with what was sent. The SDK adds a label
// and an annotation of its own to what it sends.
func (h *host) holdsNamespace(t testing.TB, want types.FunctionNamespace) {
	t.Helper()
	got, err := h.sdk.GetNamespace(t.Context(), want.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []map[string]string{got.Labels, got.Annotations} {
		maps.DeleteFunc(m, func(key, _ string) bool { return key == "openfaas" })
	}
	wantLabels, wantAnnotations := maps.Clone(want.Labels), maps.Clone(want.Annotations)
	for _, m := range []map[string]string{wantLabels, wantAnnotations} {
		maps.DeleteFunc(m, func(key, _ string) bool { return key == "openfaas" })
	}
	if got.Name != want.Name || !maps.Equal(got.Labels, wantLabels) || !maps.Equal(got.Annotations, wantAnnotations) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNamespaces_Refusals(t *testing.T) {
	t.Parallel()
	h := patient(t)
	for _, tc := range []struct {
		name, method, path, body string
		status                   int
		word                     string
	}{
		{"no name", http.MethodPost, "/system/namespace/", `{}`, http.StatusBadRequest, "namespace"},
		{"bad name", http.MethodPost, "/system/namespace/", `{"name":"Not_Allowed"}`, http.StatusBadRequest, "namespace"},
		{"two names", http.MethodPost, "/system/namespace/one", `{"name":"two"}`, http.StatusBadRequest, "name"},
		{"get nothing", http.MethodGet, "/system/namespace/", ``, http.StatusBadRequest, "name"},
		{"get unknown", http.MethodGet, "/system/namespace/nobody-lives-here", ``, http.StatusNotFound, "nobody-lives-here"},
		{"delete the default", http.MethodDelete, "/system/namespace/" + defaultNS, ``, http.StatusConflict, defaultNS},
		{"deploy into unknown", http.MethodPost, "/system/functions", `{"service":"f","image":"i","namespace":"nobody-lives-here"}`, http.StatusNotFound, "nobody-lives-here"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h.do(t, request{method: tc.method, path: tc.path, body: tc.body}).wants(t, tc.status, tc.word)
		})
	}
}

// twins deploys two functions of one name, in the default namespace and another.
func twins(t *testing.T, h *host) (name, far string) {
	t.Helper()
	far = h.namespace(t)
	spec := h.spec(t, "env")
	spec.EnvVars = map[string]string{"place": "here"}
	h.deploy(t, spec)
	spec.Namespace, spec.EnvVars = far, map[string]string{"place": "there"}
	if code, err := h.sdk.Deploy(t.Context(), spec); err != nil {
		t.Fatal(code, err)
	}
	h.awaitReplicas(t, spec.Service+"."+far, 1)
	return spec.Service, far
}

func TestNamespaces_SameNameLivesInTwo(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name, far := twins(t, h)
	h.get(t, "/function/"+name).wants(t, http.StatusOK, "place=here\n", "OPENFAAS_NAMESPACE="+defaultNS)
	h.get(t, "/function/"+name+"."+defaultNS).wants(t, http.StatusOK, "place=here\n")
	h.get(t, "/function/"+name+"."+far).wants(t, http.StatusOK, "place=there\n", "OPENFAAS_NAMESPACE="+far)
	h.get(t, "/function/"+name+".nobody-lives-here").wants(t, http.StatusNotFound, name)
	listed, err := h.sdk.GetFunctions(t.Context(), far)
	if err != nil || len(listed) != 1 || listed[0].Namespace != far || listed[0].EnvVars["place"] != "there" {
		t.Errorf("%s lists %+v, %v", far, listed, err)
	}
	if err := h.sdk.DeleteNamespace(t.Context(), far); err != nil {
		t.Fatal(err)
	}
	h.get(t, "/function/"+name+"."+far).wants(t, http.StatusNotFound)
	h.get(t, "/function/"+name).wants(t, http.StatusOK, "place=here\n")
	eventually(t, "one container is left", func() (bool, string) {
		left := h.containers(t, name)
		return len(left) == 1, fmt.Sprint(left)
	})
}

func TestNamespaces_ArriveInSuffixQueryAndBody(t *testing.T) {
	t.Parallel()
	h := patient(t)
	name, far := twins(t, h)
	for _, tc := range []struct{ what, method, path, body string }{
		{"status by suffix", http.MethodGet, "/system/function/" + name + "." + far, ""},
		{"status by query", http.MethodGet, "/system/function/" + name + "?namespace=" + far, ""},
		{"logs by query", http.MethodGet, "/system/logs?name=" + name + "&namespace=" + far, ""},
		{"logs by suffix", http.MethodGet, "/system/logs?name=" + name + "." + far, ""},
		{"list", http.MethodGet, "/system/functions?namespace=" + far, ""},
	} {
		t.Run(tc.what, func(t *testing.T) {
			body := h.do(t, request{method: tc.method, path: tc.path, body: tc.body}).wants(t, http.StatusOK, far).body
			if strings.Contains(body, `"namespace":"`+defaultNS) {
				t.Errorf("it also speaks of the other one: %s", body)
			}
		})
	}
	for i, tc := range []struct{ what, path, body string }{
		{"scale by suffix", "/system/scale-function/" + name + "." + far, `{"replicas":%d}`},
		{"scale by query", "/system/scale-function/" + name + "?namespace=" + far, `{"replicas":%d}`},
		{"scale by body", "/system/scale-function/" + name, `{"replicas":%d,"namespace":"` + far + `"}`},
	} {
		t.Run(tc.what, func(t *testing.T) {
			count := uint64(2 - i)
			h.do(t, request{method: http.MethodPost, path: tc.path, body: fmt.Sprintf(tc.body, count)}).wants(t, http.StatusAccepted)
			if got := h.status(t, name+"."+far).Replicas; got != count {
				t.Errorf("%d replicas wanted, want %d", got, count)
			}
			if got := h.status(t, name).Replicas; got != 1 {
				t.Errorf("the other one was scaled to %d", got)
			}
		})
	}
	t.Run("two that differ", func(t *testing.T) {
		h.get(t, "/system/function/"+name+"."+far+"?namespace="+defaultNS).wants(t, http.StatusBadRequest, "namespace", far, defaultNS)
	})
	t.Run("delete by query", func(t *testing.T) {
		h.do(t, request{method: http.MethodDelete, path: "/system/functions?namespace=" + far, body: `{"functionName":"` + name + `"}`}).wants(t, http.StatusAccepted)
		h.get(t, "/system/function/"+name+"."+far).wants(t, http.StatusNotFound)
		h.get(t, "/system/function/"+name).wants(t, http.StatusOK)
	})
}
