package function

import (
	"errors"
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		text string
		want Name
	}{
		{"figlet", Name{"figlet", "openfaas-fn"}},
		{"figlet.dev", Name{"figlet", "dev"}},
		{"a.b.dev", Name{"a.b", "dev"}},
		{"figlet.", Name{"figlet", ""}},
		{"", Name{"", "openfaas-fn"}},
	}
	for _, test := range tests {
		if got := ParseName(test.text, DefaultNamespace); got != test.want {
			t.Errorf("ParseName(%q) = %+v, want %+v", test.text, got, test.want)
		}
	}
}

func FuzzParseName_IsTheInverseOfString(f *testing.F) {
	f.Add("figlet", "dev")
	f.Fuzz(func(t *testing.T, name, namespace string) {
		n := Name{name, namespace}
		if n.Validate() != nil {
			t.Skip()
		}
		if got := ParseName(n.String(), "other"); got != n {
			t.Errorf("%q became %+v", n, got)
		}
	})
}

func TestName_Validate(t *testing.T) {
	tests := []struct {
		name  Name
		field string // of the error; empty means valid
	}{
		{Name{"figlet", "openfaas-fn"}, ""},
		{Name{"a", "b"}, ""},
		{Name{"0-9", "x"}, ""},
		{Name{strings.Repeat("a", 63), "x"}, ""},
		{Name{strings.Repeat("a", 64), "x"}, "service"},
		{Name{"", "x"}, "service"},
		{Name{"Figlet", "x"}, "service"},
		{Name{"-a", "x"}, "service"},
		{Name{"a-", "x"}, "service"},
		{Name{"a.b", "x"}, "service"},
		{Name{"a_b", "x"}, "service"},
		{Name{"ä", "x"}, "service"},
		{Name{"a", ""}, "namespace"},
		{Name{"a", "../b"}, "namespace"},
	}
	for _, test := range tests {
		wantInvalid(t, test.name.Validate(), test.field)
	}
}

func TestValidateSecretName(t *testing.T) {
	for name, ok := range map[string]bool{
		"token": true, "tls.crt": true, "a-b.c-d": true, strings.Repeat("a", 253): true,
		"db_password": true, "DB_PASSWORD": true, "_token": true, "token_": true, "a__b": true, "_": true,
		"My.Key_2": true, ".dockerconfigjson": true, "tls.": true, "0": true, "a-": true, "v1_2-3.4": true,
		"": false, ".": false, "..": false, "...": false, "a..b": false, "..staging": false, "a/..": false,
		"../etc": false, "a/b": false, "/etc/passwd": false, "a\\b": false, "%2e%2e": false, "a%2fb": false,
		"-a": false, "--help": false, "a b": false, " a": false, "a\n": false, "a\x00b": false, "ä": false,
		"a=b": false, "a:b": false, "a,b": false, "~": false, "*": false, "\u202ea": false,
		strings.Repeat("a", 254): false, strings.Repeat("../", 50): false,
	} {
		if err := ValidateSecretName(name); (err == nil) != ok {
			t.Errorf("ValidateSecretName(%q) = %v", name, err)
		}
	}
}

// wantInvalid checks that err is an ErrInvalid that begins with the field; with an
// empty field that there is no error.
func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !errors.Is(err, ErrInvalid) || !strings.HasPrefix(err.Error(), field+":") {
		t.Errorf("got %v, want an ErrInvalid for %s", err, field)
	}
}
