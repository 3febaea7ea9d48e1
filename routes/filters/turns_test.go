package filters

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/bcrypt"

	"faas-docker/routes"
	"faas-docker/routes/eskip"
)

// guarded is basicAuth with one user whose only turn is taken.
func guarded(t *testing.T) basicAuth {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	f, err := testFiles().newBasicAuth([]any{writeFile(t, "alex:"+string(hash)+"\n")})
	if err != nil {
		t.Fatal(err)
	}
	f.known.turns = newTurns(1)
	return f
}

// made is a filter that is there already.
type made struct{ routes.Filter }

func (made) Name() string                          { return "guarded" }
func (m made) Create([]any) (routes.Filter, error) { return m.Filter, nil }

// login has a client send a name and a password, which are none when the name is empty.
func login(ctx context.Context, f basicAuth, address, user, password string) int {
	r := get("/").WithContext(ctx)
	r.RemoteAddr = address
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	w := httptest.NewRecorder()
	table, _ := routes.Build([]eskip.Rule{{Filters: []eskip.Call{{Name: "guarded"}}}}, routes.Options{Filters: []routes.FilterSpec{made{f}}})
	route, _ := table.Lookup(r)
	route.Serve(w, r, nil, nil)
	if w.Code == http.StatusNotFound {
		return http.StatusOK // the <shunt> behind it answers so
	}
	return w.Code
}

// crowd has some clients wait for the turn, and returns how to send them away.
func crowd(t *testing.T, f basicAuth, size int, address func(int) string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var guesses sync.WaitGroup
	for i := range size {
		guesses.Go(func() { login(ctx, f, address(i), "alex", fmt.Sprint("guess", i)) })
	}
	synctest.Wait()
	return func() {
		cancel()
		guesses.Wait()
	}
}

func TestBasicAuth_OneWhoGuessesDoesNotKeepOthersOut(t *testing.T) {
	t.Parallel()
	const guesser, neighbour, other = "192.0.2.1:5000", "[2001:db8::1]:5000", "198.51.100.7:5000"
	one := func(int) string { return guesser }
	for name, test := range map[string]struct {
		size           int
		address        func(int) string
		from           string
		user, password string
		want           int
	}{
		"known password of the guesser":     {500, one, guesser, "alex", "secret", http.StatusOK},
		"known password of another":         {500, one, other, "alex", "secret", http.StatusOK},
		"no password":                       {500, one, guesser, "", "", http.StatusUnauthorized},
		"one guess more":                    {500, one, guesser, "alex", "guess", http.StatusTooManyRequests},
		"another name":                      {500, one, guesser, "eve", "guess", http.StatusTooManyRequests},
		"no name in particular":             {500, one, "192.0.2.1:9", "-", "", http.StatusTooManyRequests},
		"from another port":                 {500, one, "192.0.2.1:65535", "alex", "guess", http.StatusTooManyRequests},
		"the guesser's IPv4 written as 6":   {500, one, "[::ffff:192.0.2.1]:1", "alex", "guess", http.StatusTooManyRequests},
		"from another address of a network": {500, func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, neighbour, "alex", "guess", http.StatusTooManyRequests},
		"many guessers":                     {500, func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i%250) }, other, "alex", "guess", http.StatusTooManyRequests},
		"many guessers, known password":     {500, func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i%250) }, other, "alex", "secret", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := guarded(t)
				if got := login(t.Context(), f, other, "alex", "secret"); got != http.StatusOK {
					t.Fatalf("before: %d", got)
				}
				f.known.turns.slots <- struct{}{}
				leave := crowd(t, f, test.size, test.address)
				defer leave()
				if got := login(t.Context(), f, test.from, test.user, test.password); got != test.want {
					t.Errorf("got %d, want %d", got, test.want)
				}
			})
		})
	}
}

func TestBasicAuth_WhoeverLeavesTakesNoTurn(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 2, 10, mostWaitingOfOne - 1, mostWaitingOfOne, mostWaitingOfOne + 1, mostWaiting, mostWaiting + 1, 500, 1200} {
		synctest.Test(t, func(t *testing.T) {
			f := guarded(t)
			f.known.turns.slots <- struct{}{}
			crowd(t, f, size, func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i%3) })()
			if waiting, of := f.known.turns.waiting, len(f.known.turns.of); waiting != 0 || of != 0 {
				t.Errorf("of %d who left, %d wait, of %d clients", size, waiting, of)
			}
			f.known.turns.give()
			if got := login(t.Context(), f, "192.0.2.1:1", "alex", "secret"); got != http.StatusOK {
				t.Errorf("after %d: got %d", size, got)
			}
		})
	}
}

func TestTurns_OthersGetInBesideOneClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(1)
		turns.slots <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		var refused, served, left int
		var mu sync.Mutex
		var line sync.WaitGroup
		ask := func(client string) {
			line.Go(func() {
				err := turns.take(ctx, client)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, errNoTurn):
					refused++
				case errors.Is(err, context.Canceled):
					left++
				default:
					served++
				}
			})
		}
		for range 200 {
			ask("guesser")
		}
		synctest.Wait()
		ask("other")
		synctest.Wait()
		for range mostWaitingOfOne + 1 {
			turns.give()
			synctest.Wait()
		}
		cancel()
		line.Wait()
		if served != mostWaitingOfOne+1 || refused != 200-mostWaitingOfOne || left != 0 {
			t.Errorf("served %d, refused %d, left %d", served, refused, left)
		}
	})
}

// A password is remembered for its own user only: by the time that an answer takes, nobody learns
// that it is somebody's.
func TestBasicAuth_RemembersNoPasswordOfNobody(t *testing.T) {
	t.Parallel()
	f := guarded(t)
	const client = "192.0.2.1:5000"
	for _, user := range []string{"nosuchuser", "", "Alex", "alex "} {
		if got := login(t.Context(), f, client, user, "secret"); got != http.StatusUnauthorized {
			t.Errorf("user %q: %d", user, got)
		}
		if known := len(f.known.right); known != 0 {
			t.Errorf("user %q: %d passwords are remembered", user, known)
		}
	}
	if got := login(t.Context(), f, client, "alex", "secret"); got != http.StatusOK || len(f.known.right) != 1 {
		t.Errorf("the user: %d, %d passwords are remembered", got, len(f.known.right))
	}
}
