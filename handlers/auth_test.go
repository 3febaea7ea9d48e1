package handlers

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBasicAuth_LetsInOnlyItsUser(t *testing.T) {
	t.Parallel()
	admin := BasicAuth{User: "admin", Password: "s3cret"}
	for _, test := range []struct {
		name           string
		auth           BasicAuth
		user, password string
		anonymous      bool
		want           int
	}{
		{name: "right", auth: admin, user: "admin", password: "s3cret", want: 200},
		{name: "nobody", auth: admin, anonymous: true, want: 401},
		{name: "wrong password", auth: admin, user: "admin", password: "s3creT", want: 401},
		{name: "wrong user", auth: admin, user: "Admin", password: "s3cret", want: 401},
		{name: "longer password", auth: admin, user: "admin", password: "s3cret2", want: 401},
		{name: "empty", auth: admin, user: "", password: "", want: 401},
		{name: "shifted", auth: admin, user: "admins", password: "3cret", want: 401},
		{name: "zero value, empty credentials", user: "", password: "", want: 401},
		{name: "zero value, nobody", anonymous: true, want: 401},
		{name: "no password, empty password", auth: BasicAuth{User: "admin"}, user: "admin", want: 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			reached := false
			guarded := test.auth.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			w, r := newExchange(t, http.MethodGet, "/system/functions")
			if !test.anonymous {
				r.SetBasicAuth(test.user, test.password)
			}
			guarded.ServeHTTP(w, r)
			if w.Code != test.want || reached != (test.want == 200) {
				t.Errorf("got %d, reached %t, want %d", w.Code, reached, test.want)
			}
			if w.Code == 401 && (w.Header().Get("WWW-Authenticate") != `Basic realm="Restricted"` || w.Body.String() != "invalid credentials") {
				t.Errorf("got %v %q", w.Header(), w.Body)
			}
		})
	}
}

func TestBasicAuth_RefusesATokenOfAnotherKind(t *testing.T) {
	t.Parallel()
	w, r := newExchange(t, http.MethodGet, "/")
	r.Header.Set("Authorization", "Bearer ") // what faas-cli sends before a login
	BasicAuth{User: "a", Password: "b"}.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("got %d, want 401", w.Code)
	}
}

func TestBasicAuth_NeverPrintsThePassword(t *testing.T) {
	t.Parallel()
	auth := BasicAuth{User: "admin", Password: "s3cret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, auth); strings.Contains(text, "s3cret") || !strings.Contains(text, "admin") {
			t.Errorf("%s prints %q", format, text)
		}
	}
}

func TestLoadBasicAuth_ReadsTheMountedSecrets(t *testing.T) {
	t.Parallel()
	const user, password = "basic-auth-user", "basic-auth-password"
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []string // parts of the error; none means success
	}{
		{"both", map[string]string{user: " admin\n", password: "s3 cret\r\n"}, nil},
		{"none", nil, []string{user, password, "basic_auth=true", "secret_mount_path"}},
		{"no password", map[string]string{user: "admin"}, []string{password, "no such file"}},
		{"empty password", map[string]string{user: "admin", password: " \n"}, []string{password, "is empty"}},
		{"colon in user", map[string]string{user: "ad:min", password: "x"}, []string{user, "':'"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, content := range test.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := LoadBasicAuth(dir)
			if test.want == nil {
				if err != nil || got.User != "admin" || got.Password != "s3 cret" {
					t.Errorf("got %q %q, %v", got.User, got.Password, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("got no error, want one with %q", test.want)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got error %q, want %q in it", err, part)
				}
			}
		})
	}
}
