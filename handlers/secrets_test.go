package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"

	"faas-docker/function"
)

func noSecretChange(context.Context, string, string) error { return nil }

func failSecretChange(context.Context, string, string) error { return errors.New("volume: busy") }

func TestSecrets_StoreTheBytesThatWereMeant(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		sent types.Secret
		want string
	}{
		{"value", types.Secret{Value: " with space\n"}, " with space\n"},
		{"raw value", types.Secret{RawValue: []byte{0, 0xff}}, "\x00\xff"},
		{"both, as faas-cli sends a file", types.Secret{Value: "trimmed", RawValue: []byte("trimmed\n")}, "trimmed\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScene()
			var stored function.Secret
			s.secrets.create = func(secret function.Secret) error { stored = secret; return nil }
			s.fleet.secretChanged = noSecretChange
			test.sent.Name, test.sent.Namespace = "key", "dev"
			body, err := json.Marshal(test.sent)
			if err != nil {
				t.Fatal(err)
			}
			if w := s.call(t, "POST /system/secrets", string(body)); w.Code != http.StatusCreated {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			if string(stored.Value) != test.want || stored.Name != "key" || stored.Namespace != "dev" {
				t.Errorf("got %+v, want %q", stored, test.want)
			}
		})
	}
}

// The largest secret, of bytes that JSON cannot carry, is the largest body that
// faas-cli makes.
func TestSecrets_AcceptTheLargestFile(t *testing.T) {
	t.Parallel()
	s, stored := newScene(), 0
	s.secrets.create = func(secret function.Secret) error { stored = len(secret.Value); return nil }
	s.fleet.secretChanged = noSecretChange
	content := bytes.Repeat([]byte{0xff}, maxSecret)
	body, err := json.Marshal(types.Secret{Name: "key", Value: string(content), RawValue: content})
	if err != nil {
		t.Fatal(err)
	}
	if w := s.call(t, "POST /system/secrets", string(body)); w.Code != http.StatusCreated || stored != maxSecret {
		t.Errorf("got %d %s with %d bytes stored, want 201 with %d", w.Code, w.Body, stored, maxSecret)
	}
}

func TestSecrets_ReachRunningFunctionsEvenWhenTheCallerLeaves(t *testing.T) {
	t.Parallel()
	s, changed := newScene(), ""
	ctx, cancel := context.WithCancel(t.Context())
	s.secrets.update = func(function.Secret) error { cancel(); return nil }
	s.fleet.secretChanged = func(ctx context.Context, namespace, name string) error {
		changed = namespace + "/" + name
		return ctx.Err()
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPut, "/system/secrets?namespace=dev", strings.NewReader(`{"name":"key","value":"x"}`))
	s.routes().ServeHTTP(w, r)
	if w.Code != http.StatusOK || changed != "dev/key" {
		t.Errorf("got %d and %q handed over, want 200 and dev/key", w.Code, changed)
	}
}

func TestSecrets_AppearInNoAnswerAndNoLog(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"name":"key","value":"hunter2"}`,
		`{"name":"Key","value":"hunter2"}`,
		`{"name":"key","value":"hunter2"`,
		`{"name":"key","rawValue":"hunter2"}`,
		`{"name":"key","value":["hunter2"]}`,
		`{"name":"key","value":{"hunter2":1}}`,
		`{"name":"key","namespace":1,"value":"hunter2"}`,
	} {
		s := newScene()
		fail := func(function.Secret) error { return errors.New("disk: full") }
		s.secrets.create, s.secrets.update = fail, fail
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			w := s.call(t, method+" /system/secrets", body)
			if w.Code < 400 {
				t.Errorf("got %d for %s, want a failure", w.Code, body)
			}
			if text := w.Body.String() + s.log.String(); strings.Contains(text, "hunter2") {
				t.Errorf("the secret of %s is in %q", body, text)
			}
		}
	}
}
