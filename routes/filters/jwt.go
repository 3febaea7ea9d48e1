package filters

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/eskip"
)

const (
	// clockSkew is how far the clocks of issuers may be from ours.
	clockSkew = 30 * time.Second
	// leastSecret is the shortest secret's length in bytes: that of the digest (RFC 7518, 3.2).
	leastSecret = 32
)

// jwtCheck asks for a bearer token that is in time, signed by the rule's algorithm and a file's key.
type jwtCheck struct {
	parser *jwt.Parser
	keys   *fileValue[jwt.VerificationKeySet]
	// claims are those that a token must have besides.
	claims []wantedClaim
}

func (o Options) newJWT(args []any) (routes.RequestFunc, error) {
	algorithm := argument.Text(args[0])
	if algorithm == "none" || jwt.GetSigningMethod(algorithm) == nil {
		return nil, fmt.Errorf("%s is not an algorithm: want one of RS256, PS256, ES256 (or 384, 512), EdDSA, HS256", eskip.Quote(algorithm))
	}
	f := jwtCheck{parser: jwt.NewParser(jwt.WithValidMethods([]string{algorithm}), jwt.WithExpirationRequired(),
		jwt.WithLeeway(clockSkew), jwt.WithJSONNumber())}
	for _, text := range argument.Texts(args[2:]) {
		claim, value, found := strings.Cut(text, "=")
		if !found || claim == "" {
			return nil, fmt.Errorf("%s: want a claim and its value, such as aud=shop", eskip.Quote(text))
		}
		f.claims = append(f.claims, wantedClaim{claim, value})
	}
	var err error
	f.keys, err = newFileValue(o, "jwt", args[1], func(content []byte) (jwt.VerificationKeySet, error) {
		return parseVerificationKeys(algorithm, content)
	})
	return f.ask, err
}

func (f jwtCheck) ask(c *routes.Context) {
	text, ok := bearerToken(c.Request)
	if !ok {
		challenge(c, "Bearer", "a bearer token is wanted in the header Authorization")
		return
	}
	if err := f.verify(text); err != nil {
		challenge(c, `Bearer error="invalid_token"`, "the bearer token is not accepted: "+reasonOf(err))
	}
}

// errClaim: a token is valid, but not meant for this.
var errClaim = errors.New("a claim is not as it should be")

func (f jwtCheck) verify(text string) error {
	claims := jwt.MapClaims{}
	_, err := f.parser.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return f.keys.get(), nil })
	if err != nil {
		return err
	}
	for _, wanted := range f.claims {
		if !wanted.isMet(claims) {
			return errClaim
		}
	}
	return nil
}

// reasonOf tells a client what it may know.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "it has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return "it is not valid yet"
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing), errors.Is(err, errClaim):
		return "its claims are not those that are wanted here"
	}
	return "it is malformed, or not signed by whom we trust"
}

// parseVerificationKeys reads a secret for HS256 and its kin, otherwise public keys or
// certificates as PEM blocks, any of which a token may be signed with.
func parseVerificationKeys(algorithm string, content []byte) (jwt.VerificationKeySet, error) {
	if strings.HasPrefix(algorithm, "HS") {
		secret := bytes.TrimSpace(content)
		if len(secret) < leastSecret {
			return jwt.VerificationKeySet{}, fmt.Errorf("a secret of %d bytes can be guessed: want at least %d", len(secret), leastSecret)
		}
		return jwt.VerificationKeySet{Keys: []jwt.VerificationKey{secret}}, nil
	}
	var set jwt.VerificationKeySet
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		key, err := publicKey(block)
		if err == nil && !suits(algorithm, key) {
			err = fmt.Errorf("a %T is no key for %s", key, algorithm)
		}
		if err != nil {
			return jwt.VerificationKeySet{}, err
		}
		set.Keys = append(set.Keys, key)
	}
	if len(set.Keys) == 0 {
		return set, errors.New("there is no public key in it: want PEM blocks")
	}
	return set, nil
}

func publicKey(block *pem.Block) (any, error) {
	switch block.Type {
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
	return nil, fmt.Errorf("a PEM block %q: want a PUBLIC KEY or a CERTIFICATE", block.Type)
}

func suits(algorithm string, key any) bool {
	switch key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return strings.HasPrefix(algorithm, "ES")
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
