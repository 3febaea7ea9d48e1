package filters

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"

	"faas-docker/grammar"
	"faas-docker/routes"
	"faas-docker/routes/argument"
)

// challenge answers 401 with a way to do better.
func challenge(c *routes.Context, scheme, text string) {
	c.Refuse(http.StatusUnauthorized, text).Header.Set("WWW-Authenticate", scheme)
}

type basicAuth struct {
	routes.RequestOnly
	realm   string
	users   *fileValue[map[string]string]
	known   *knownPasswords
	address func(*http.Request) netip.Addr
}

func (o Options) newBasicAuth(args []any) (basicAuth, error) {
	users, err := newFileValue(o, "basicAuth", args[0], parseHtpasswd)
	f := basicAuth{realm: `Basic realm="Restricted", charset="UTF-8"`, users: users, known: newKnownPasswords(o.passwords), address: o.ClientIP}
	if len(args) > 1 {
		f.realm = "Basic realm=" + strconv.Quote(argument.Text(args[1])) + `, charset="UTF-8"`
	}
	return f, err
}

// parseHtpasswd reads lines of user:hash. Only bcrypt's hashes are taken: others protect nothing.
func parseHtpasswd(content []byte) (map[string]string, error) {
	users := map[string]string{}
	for number, line := range usefulLines(content) {
		user, hash, found := strings.Cut(line, ":")
		if _, err := bcrypt.Cost([]byte(hash)); !found || err != nil {
			return nil, fmt.Errorf("line %d: want user:hash with a bcrypt hash, as htpasswd -B makes it", number)
		}
		users[user] = hash
	}
	if len(users) == 0 {
		return nil, errors.New("there is no user in it")
	}
	return users, nil
}

// usefulLines are those that are neither empty nor comments, with their numbers.
func usefulLines(content []byte) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range bytes.Lines(content) {
			number++
			text := strings.TrimSpace(string(line))
			if text != "" && text[0] != '#' && !yield(number, text) {
				return
			}
		}
	}
}

func (f basicAuth) Request(c *routes.Context) {
	user, password, given := c.Request.BasicAuth()
	users := f.users.get()
	hash, exists := users[user]
	check := f.known.match
	if !exists {
		// The time taken must not tell names, nor passwords: nothing is remembered of it.
		hash, check = anyOf(users), f.known.check
	}
	right, err := false, error(nil)
	if given {
		right, err = check(c.Request.Context(), networkOf(f.address(c.Request)), hash, password)
	}
	switch {
	case err != nil:
		c.Refuse(http.StatusTooManyRequests, "too many passwords are being checked: try again in a second").Header.Set("Retry-After", "1")
	case !right || !exists:
		challenge(c, f.realm, "a user and a password are wanted here")
	}
}

func anyOf(users map[string]string) string {
	for _, hash := range users {
		return hash
	}
	return ""
}

// knownPasswords remembers right ones: bcrypt takes a thousand times as long as the rest of a call.
type knownPasswords struct {
	salt [16]byte
	// mu protects right, whose keys are digests of hash and password.
	mu    sync.RWMutex
	right map[[sha256.Size]byte]bool
	// turns bound the checks of all filters together: guessing must not take the processors.
	turns *turns
}

const mostKnown = 1000

func newKnownPasswords(t *turns) *knownPasswords {
	k := &knownPasswords{right: map[[sha256.Size]byte]bool{}, turns: t}
	_, _ = rand.Read(k.salt[:]) // never fails
	return k
}

// match reports whether a password is that of a hash. The error says that too many are being checked for
// that client, or for all, or that ctx ended before its turn.
func (k *knownPasswords) match(ctx context.Context, client, hash, password string) (bool, error) {
	digest := sha256.Sum256(fmt.Appendf(k.salt[:len(k.salt):len(k.salt)], "%s %s", hash, password))
	k.mu.RLock()
	right := k.right[digest]
	k.mu.RUnlock()
	if right {
		return true, nil
	}
	if right, err := k.check(ctx, client, hash, password); !right {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.right) >= mostKnown {
		clear(k.right)
	}
	k.right[digest] = true
	return true, nil
}

// check is match without memory.
func (k *knownPasswords) check(ctx context.Context, client, hash, password string) (bool, error) {
	if err := k.turns.take(ctx, client); err != nil {
		return false, err
	}
	defer k.turns.give()
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil, nil
}

// keySet holds digests of keys: the time of a look-up does not tell how much of one was right.
type keySet map[[sha256.Size]byte]bool

func parseKeys(content []byte) (keySet, error) {
	keys := keySet{}
	for _, line := range usefulLines(content) {
		keys[sha256.Sum256([]byte(line))] = true
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it: want one per line")
	}
	return keys, nil
}

func (s keySet) has(key string) bool { return s[sha256.Sum256([]byte(key))] }

func (o Options) newAPIKey(args []any) (routes.RequestFunc, error) {
	header, err := argument.Header(args[0])
	if err != nil {
		return nil, err
	}
	keys, err := newFileValue(o, "apiKey", args[1], parseKeys)
	return func(c *routes.Context) {
		if sent := c.Request.Header[header]; len(sent) != 1 || !keys.get().has(sent[0]) {
			c.Refuse(http.StatusUnauthorized, "a valid key is wanted in the header "+header)
		}
	}, err
}

func (o Options) newBearer(args []any) (routes.RequestFunc, error) {
	tokens, err := newFileValue(o, "bearer", args[0], parseKeys)
	return func(c *routes.Context) {
		if token, ok := bearerToken(c.Request); !ok || !tokens.get().has(token) {
			challenge(c, "Bearer", "a valid bearer token is wanted in the header Authorization")
		}
	}, err
}

func bearerToken(r *http.Request) (string, bool) {
	sent := r.Header["Authorization"]
	if len(sent) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(sent[0], " ")
	token = strings.TrimSpace(token)
	return token, grammar.EqualFold(scheme, "Bearer") && token != ""
}
