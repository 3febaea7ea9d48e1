package filters

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// A claim is met by the value itself, by a list that has it, and by a scope's words. The
// claims are those that identity providers send.
func TestJWT_ClaimsAreListsScopesAndNumbers(t *testing.T) {
	t.Parallel()
	secret := strings.Repeat("s", 32)
	path := writeFile(t, secret)
	for _, test := range []struct {
		claims, want string
		met          bool
	}{
		{`{"role":"admin"}`, "role=admin", true},
		{`{"role":"admins"}`, "role=admin", false},
		{`{"groups":["dev","admin"]}`, "groups=admin", true},
		{`{"groups":["dev","admins"]}`, "groups=admin", false},
		{`{"groups":[]}`, "groups=admin", false},
		{`{"groups":["[dev admin]"]}`, "groups=dev", false},
		{`{"scope":"read write"}`, "scope=read", true},
		{`{"scope":"read write"}`, "scope=write", true},
		{`{"scope":"write x read"}`, "scope=read write", true},
		{`{"scope":"read write"}`, "scope=read write", true},
		{`{"scope":"readwrite"}`, "scope=read", false},
		{`{"scope":"pre-read write"}`, "scope=read", false},
		{`{"scp":"Mail.Read User.Read"}`, "scp=User.Read", true},
		{`{"scp":["openid","email"]}`, "scp=email", true},
		{`{"scp":["openid","email"]}`, "scp=email openid", true},
		{`{"scope":""}`, "scope= ", false},
		{`{"sub":"not admin"}`, "sub=admin", false},
		{`{"tenant":1234567890123}`, "tenant=1234567890123", true},
		{`{"tenant":100000000000000000000}`, "tenant=100000000000000000000", true},
		{`{"tenant":9007199254740993}`, "tenant=9007199254740993", true},
		{`{"tenant":9007199254740993}`, "tenant=9007199254740992", false},
		{`{"tenant":1e3}`, "tenant=1000", true},
		{`{"tenant":1e999999999}`, "tenant=1", false},
		{`{"tenants":[1,20000000]}`, "tenants=20000000", true},
		{`{"tenant":1.5}`, "tenant=1.5", true},
		{`{"tenant":"7"}`, "tenant=7", true},
		{`{"email_verified":true}`, "email_verified=true", true},
		{`{"email_verified":false}`, "email_verified=true", false},
		{`{"nothing":null}`, "nothing=<nil>", false},
		{`{"object":{"a":1}}`, "object=map[a:1]", false},
		{`{"realm_access":{"roles":["user","admin"]}}`, "realm_access.roles=admin", true},
		{`{"realm_access":{"roles":["user"]}}`, "realm_access.roles=admin", false},
		{`{"https://example.org/roles":["admin"]}`, "https://example.org/roles=admin", true},
		{`{"a":{"b":{"c":"d"}}}`, "a.b.c=d", true},
		{`{"a.b":"x","a":{"b":"y"}}`, "a.b=y", false},
		{`{"a":"b"}`, "a.b=c", false},
		{`{"eq":"a=b"}`, "eq=a=b", true},
		{`{}`, "role=", false},
		{`{"aud":["x","shop"]}`, "aud=shop", true},
		{`{"aud":"shop"}`, "aud=shop", true},
		{`{"aud":"x"}`, "aud=shop", false},
		{`{"aud":["x","shop"]}`, `aud=shop", "aud=x`, true},
		{`{"aud":"x"}`, `aud=shop", "aud=x`, false},
		{`{"sub":"x"}`, "aud=shop", false},
	} {
		var claims jwt.MapClaims
		decoder := json.NewDecoder(strings.NewReader(test.claims))
		decoder.UseNumber()
		if err := decoder.Decode(&claims); err != nil {
			t.Fatal(err)
		}
		claims["exp"] = time.Now().Add(time.Hour).Unix()
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		s := oneRoute(t, fmt.Sprintf(`* -> jwt("HS256", %q, "%s") -> "function:f"`, path, test.want), testFiles(), nil)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if got := s.send(r).Code; (got == 200) != test.met {
			t.Errorf("%s, wanted %s: got %d, want it met: %t", test.claims, test.want, got, test.met)
		}
	}
}
