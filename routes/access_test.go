package routes_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"faas-docker/function"
	"faas-docker/routes"
)

// keyFiles makes files of keys and of users: key "k1", user "alex" with "secret".
func keyFiles(t *testing.T) (keys, users string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	keys, users = filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "users")
	for path, content := range map[string]string{keys: "k1\n", users: "alex:" + string(hash) + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return keys, users
}

func TestAccess_AsksForCredentialsAsRoutesDo(t *testing.T) {
	t.Parallel()
	keys, users := keyFiles(t)
	basic := `basicAuth("` + users + `", "the shop")`
	key := `apiKey("X-Api-Key", "` + keys + `")`
	for _, test := range []struct {
		name, filters string
		header        map[string]string
		method        string
		want          int
	}{
		{"no user", basic, nil, "GET", 401},
		{"wrong password", basic, map[string]string{"Authorization": "Basic YWxleDp3cm9uZw=="}, "GET", 401},
		{"right password", basic, map[string]string{"Authorization": "Basic YWxleDpzZWNyZXQ="}, "GET", 200},
		{"no key", key, nil, "GET", 401},
		{"wrong key", key, map[string]string{"X-Api-Key": "k2"}, "POST", 401},
		{"right key", key, map[string]string{"X-Api-Key": "k1"}, "POST", 200},
		{"bearer", `bearer("` + keys + `")`, map[string]string{"Authorization": "Bearer k1"}, "GET", 200},
		{"no bearer", `bearer("` + keys + `")`, nil, "GET", 401},
		{"one of two", key + " -> " + basic, map[string]string{"X-Api-Key": "k1"}, "GET", 401},
		{"both", key + " -> " + basic, map[string]string{"X-Api-Key": "k1", "Authorization": "Basic YWxleDpzZWNyZXQ="}, "GET", 200},
		{"preflight without credentials", `cors("https://a.org") -> ` + key, map[string]string{"Origin": "https://a.org", "Access-Control-Request-Method": "GET"}, "OPTIONS", 204},
		{"call after it", `cors("https://a.org") -> ` + key, map[string]string{"Origin": "https://a.org"}, "GET", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			access := routes.AccessOf(annotated("f", map[string]string{function.KeyAuth: test.filters}), builtin(), nil)
			if access == nil || access.Err() != nil || access.Closed {
				t.Fatalf("got %+v", access)
			}
			w, r := httptest.NewRecorder(), httptest.NewRequest(test.method, "/function/f", nil)
			for name, value := range test.header {
				r.Header.Set(name, value)
			}
			reached := false
			access.Serve(w, r, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			if w.Code != test.want || reached != (test.want == 200) {
				t.Errorf("got %d, reached %t, want %d", w.Code, reached, test.want)
			}
		})
	}
}

func TestAccess_RefusesWhatIsNoAuthentication(t *testing.T) {
	t.Parallel()
	keys, _ := keyFiles(t)
	good := `bearer("` + keys + `")`
	for _, filters := range []string{
		"bearer", "bearer()", `bearer("/does/not/exist")`, `bearer("` + filepath.Dir(keys) + `")`,
		`status(200)`, good + ` -> status(200)`, `setRequestHeader("X-User", "root") -> ` + good, `inlineContent("x")`,
		`cors()`, `Path("/x") -> ` + good, `* -> ` + good, good + ` -> "http://127.0.0.1:1"`, good + ` -> "function:other"`,
		good + `; x: * -> <shunt>`, good + ` && True()`, `-> ` + good, good + ` ->`, `"` + keys + `"`, `none`,
	} {
		spec := annotated("f", map[string]string{function.KeyAuth: filters})
		if err := routes.CheckSpec(spec, builtin()); !errors.Is(err, function.ErrInvalid) || !strings.Contains(err.Error(), function.KeyAuth) {
			t.Errorf("%s: got %v, want an ErrInvalid that names the annotation", filters, err)
		}
		if access := routes.AccessOf(spec, builtin(), nil); access == nil || access.Err() == nil {
			t.Errorf("%s: got %+v, want what lets nobody in", filters, access)
		}
	}
}

func TestAccess_StaysWhileItsTextIsTheSame(t *testing.T) {
	t.Parallel()
	keys, users := keyFiles(t)
	of := func(text string, previous *routes.Access) *routes.Access {
		return routes.AccessOf(annotated("f", map[string]string{function.KeyAuth: text, function.KeyExpose: "routes"}), builtin(), previous)
	}
	first := of(`bearer("`+keys+`")`, nil)
	if same := of(`bearer("`+keys+`")`, first); routes.RouteOf(same) != routes.RouteOf(first) || !same.Closed {
		t.Error("the same text got filters of its own")
	}
	if other := of(`basicAuth("`+users+`")`, first); routes.RouteOf(other) == routes.RouteOf(first) {
		t.Error("another text got the filters of the first")
	}
	if open := routes.AccessOf(annotated("f", nil), builtin(), first); open != nil {
		t.Errorf("without annotations: got %+v", open)
	}
}
