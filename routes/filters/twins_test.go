package filters

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// asVariables is a header as CGI, WSGI and PHP show it to programs, with all that a program
// could find under one name.
func asVariables(h http.Header) map[string][]string {
	variables := map[string][]string{}
	for key, values := range h {
		name := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, key)
		name = strings.ToUpper(name)
		variables[name] = append(variables[name], values...)
	}
	return variables
}

// A filter that writes a field takes along what a program could not tell from it.
func TestFilters_TakeTheTwinsOfAFieldAlong(t *testing.T) {
	t.Parallel()
	twins := []string{"X_User_Id", "X_User-Id", "X-User_Id", "x_user_id", "X_USER_ID", "x-user-id", "X-USER_id", "X-User-Id", "X.User.Id", "X_user.ID", "X~User^Id"}
	for rule, want := range map[string][]string{
		`setRequestHeader("X-User-Id", "guest")`:                                      {"guest"},
		`setRequestHeader("x_user_id", "guest")`:                                      {"guest"},
		`setRequestHeader("X_User-Id", "guest")`:                                      {"guest"},
		`dropRequestHeader("X-User-Id")`:                                              nil,
		`dropRequestHeader("X_USER_ID")`:                                              nil,
		`setRequestHeader("X-User-Id", "${none}")`:                                    nil,
		`setRequestHeader("X-User-Id", "a") -> appendRequestHeader("X_User_Id", "b")`: {"b"},
		`setRequestHeader("X-User-Id", "a") -> appendRequestHeader("X-User-Id", "b")`: {"a", "b"},
		`dropRequestHeader("X-User-Id") -> requestHeader("x-user-id", "b")`:           {"b"},
		`copyRequestHeader("X-From", "X-User-Id")`:                                    {"from"},
		`modRequestHeader("X-User-Id", /^.*$/, "guest")`:                              {"guest"},
		`queryToHeader("user", "X-User-Id")`:                                          {"alex"},
	} {
		for _, twin := range twins {
			s := oneRoute(t, "* -> "+rule+` -> "function:f"`, Options{}, func(_ http.ResponseWriter, r *http.Request) {
				got := asVariables(r.Header)["HTTP_X_USER_ID"[5:]]
				if rule == `modRequestHeader("X-User-Id", /^.*$/, "guest")` && !strings.EqualFold(twin, "X-User-Id") {
					if len(got) > 0 {
						t.Errorf("%s with %s: a program sees %q", rule, twin, got)
					}
					return
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s with %s: a program sees %q, want %q", rule, twin, got, want)
				}
			})
			r := httptest.NewRequest("GET", "/?user=alex", nil)
			r.Header.Set("X-From", "from")
			if key := http.CanonicalHeaderKey(twin); key != "X-User-Id" || !strings.HasPrefix(rule, "queryTo") {
				r.Header[key] = []string{"root"}
			}
			s.send(r)
		}
	}
}

// Fields that only look alike stay.
func TestFilters_LeaveOtherFieldsAlone(t *testing.T) {
	t.Parallel()
	s := oneRoute(t, `* -> setRequestHeader("X-User", "guest") -> dropRequestHeader("X-Role") -> "function:f"`, Options{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header)
	})
	got := s.call("GET", "/", "X_Users: 1", "Xuser: 2", "X-User-: 3", "X-Ro-Le: 4", "X__Role: 5", "X_Other: 6").Body.String()
	if want := "map[X-Ro-Le:[4] X-User:[guest] X-User-:[3] X__role:[5] X_other:[6] X_users:[1] Xuser:[2]]"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
