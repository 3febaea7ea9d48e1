package routes

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// accessFilters let only those pass who can show what a file says.
func (o Options) accessFilters() []FilterSpec {
	return []FilterSpec{
		filterMaker{"basicAuth", "s?s", `basicAuth("/etc/htpasswd") or basicAuth("/etc/htpasswd", "the shop")`, o.newBasicAuth},
		filterMaker{"apiKey", "ss", `apiKey("X-Api-Key", "/etc/shop/keys")`, o.newAPIKey},
		filterMaker{"bearer", "s", `bearer("/etc/shop/tokens")`, o.newBearer},
	}
}

// complain logs that a file can no longer be read.
func (o Options) complain(filter string) func(error) {
	return func(err error) {
		if o.Logger != nil {
			o.Logger.Warn("file of a filter not read: what it said last stays", "filter", filter, "err", err)
		}
	}
}

// challenge answers 401 with a way to do better.
func challenge(c *Context, scheme, text string) {
	c.Refuse(http.StatusUnauthorized, text)
	if c.served != nil {
		c.served.Header.Set("WWW-Authenticate", scheme)
	}
}

// basicAuth asks for a user and a password of an htpasswd file.
type basicAuth struct {
	RequestOnly
	realm string
	users *fileValue[map[string]string]
	known *knownPasswords
}

func (o Options) newBasicAuth(args []any) (Filter, error) {
	users, err := newFileValue(pattern(args[0]), parseHtpasswd, o.complain("basicAuth"))
	if err != nil {
		return nil, err
	}
	f := basicAuth{realm: `Basic realm="Restricted", charset="UTF-8"`, users: users, known: newKnownPasswords()}
	if len(args) > 1 {
		f.realm = "Basic realm=" + strconv.Quote(pattern(args[1])) + `, charset="UTF-8"`
	}
	return f, nil
}

// parseHtpasswd reads lines of user:hash. Only bcrypt's hashes are taken: the others
// are no protection.
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

func (f basicAuth) Request(c *Context) {
	user, password, given := c.Request.BasicAuth()
	users := f.users.get()
	hash, exists := users[user]
	if !exists {
		hash = anyOf(users) // so that names cannot be told from others by the time it takes
	}
	if !given || !f.known.match(hash, password) || !exists {
		challenge(c, f.realm, "a user and a password are wanted here")
	}
}

func anyOf(users map[string]string) string {
	for _, hash := range users {
		return hash
	}
	return ""
}

// knownPasswords remembers which passwords were right, because bcrypt takes a
// thousand times as long as the rest of a request.
type knownPasswords struct {
	salt [16]byte
	// mu protects right, whose keys are digests of hash and password.
	mu    sync.RWMutex
	right map[[sha256.Size]byte]bool
	// slots bound the passwords that are checked at a time, so that guessing does not
	// take the processors away from others.
	slots chan struct{}
}

// mostKnown bounds how many passwords are remembered.
const mostKnown = 1000

func newKnownPasswords() *knownPasswords {
	k := &knownPasswords{right: map[[sha256.Size]byte]bool{}, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	_, _ = rand.Read(k.salt[:]) // never fails
	return k
}

func (k *knownPasswords) match(hash, password string) bool {
	digest := sha256.Sum256(fmt.Appendf(k.salt[:len(k.salt):len(k.salt)], "%s %s", hash, password))
	k.mu.RLock()
	right := k.right[digest]
	k.mu.RUnlock()
	if right {
		return true
	}
	k.slots <- struct{}{}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	<-k.slots
	if err != nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.right) >= mostKnown {
		clear(k.right)
	}
	k.right[digest] = true
	return true
}

// keySet holds the digests of keys, which can be looked up without telling by the time
// it takes how much of one was right.
type keySet map[[sha256.Size]byte]bool

// parseKeys reads one key per line.
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

// apiKey asks for a key in a field of the header.
type apiKey struct {
	RequestOnly
	header string
	keys   *fileValue[keySet]
}

func (o Options) newAPIKey(args []any) (Filter, error) {
	header, err := headerKey(args[0])
	if err != nil {
		return nil, err
	}
	keys, err := newFileValue(pattern(args[1]), parseKeys, o.complain("apiKey"))
	return apiKey{header: header, keys: keys}, err
}

func (f apiKey) Request(c *Context) {
	if sent := c.Request.Header[f.header]; len(sent) != 1 || !f.keys.get().has(sent[0]) {
		c.Refuse(http.StatusUnauthorized, "a valid key is wanted in the header "+f.header)
	}
}

// bearer asks for one of the tokens of a file.
type bearer struct {
	RequestOnly
	tokens *fileValue[keySet]
}

func (o Options) newBearer(args []any) (Filter, error) {
	tokens, err := newFileValue(pattern(args[0]), parseKeys, o.complain("bearer"))
	return bearer{tokens: tokens}, err
}

func (f bearer) Request(c *Context) {
	if token, ok := bearerToken(c.Request); !ok || !f.tokens.get().has(token) {
		challenge(c, "Bearer", "a valid bearer token is wanted in the header Authorization")
	}
}

// bearerToken is what the request carries in Authorization.
func bearerToken(r *http.Request) (string, bool) {
	sent := r.Header["Authorization"]
	if len(sent) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(sent[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}
