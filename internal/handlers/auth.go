package handlers

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"github.com/rs/zerolog"
)

// Role is what the bearer of a token may do.
type Role string

// The roles.
const (
	// Viewer may read and plan.
	Viewer Role = "viewer"
	// Operator may do everything.
	Operator Role = "operator"
)

// includes tells whether the role may do what needs the other one.
func (r Role) includes(needed Role) bool { return r == needed || r == Operator }

// Token is a bearer token of the REST API. It keeps a hash of the secret and
// not the secret.
type Token struct {
	// Name says in logs and histories who came.
	Name string
	Role Role
	sum  [sha256.Size]byte
}

// NewToken returns the token whose bearers send the secret.
func NewToken(name string, role Role, secret string) Token {
	return Token{Name: name, Role: role, sum: sha256.Sum256([]byte(secret))}
}

// anybody is the caller when the API is unguarded.
var anybody = Token{Name: "anybody", Role: Operator}

type callerKey struct{}

// caller returns the name of the token that the request came with.
func caller(ctx context.Context) string {
	token, _ := ctx.Value(callerKey{}).(Token)
	return token.Name
}

// allow lets only bearers of a token pass whose role includes the needed one.
func (h *handler) allow(needed Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, refusal := h.authenticate(r)
			if refusal == nil && !token.Role.includes(needed) {
				refusal = problemf(forbidden, "the token %q has the role %s; this needs the role %s", token.Name, token.Role, needed)
			}
			if refusal != nil {
				h.fail(w, r, refusal)
				return
			}
			zerolog.Ctx(r.Context()).UpdateContext(func(c zerolog.Context) zerolog.Context { return c.Str("caller", token.Name) })
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, token)))
		})
	}
}

// authenticate finds out who is calling.
func (h *handler) authenticate(r *http.Request) (Token, *problem) {
	if h.Unguarded {
		return anybody, nil
	}
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return Token{}, unknownCaller("", "send a token of the configuration in the header Authorization: Bearer <token>")
	}
	if token, ok := h.bearer(secret); ok {
		return token, nil
	}
	return Token{}, unknownCaller(`, error="invalid_token"`, "the token is none of the configuration's")
}

// bearer finds the token with the secret. It compares with all of them, in
// constant time, so that the time tells nothing.
func (h *handler) bearer(secret string) (found Token, ok bool) {
	sum := sha256.Sum256([]byte(secret))
	for _, token := range h.Tokens {
		if subtle.ConstantTimeCompare(sum[:], token.sum[:]) == 1 {
			found, ok = token, true
		}
	}
	return found, ok
}

func unknownCaller(challenge, detail string) *problem {
	p := problemf(unauthorized, "%s", detail)
	p.header.Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q%s", "regrow", challenge))
	return p
}

// sameOrigin refuses requests that a web page of another origin makes a browser
// send. It matters where the API is unguarded on a developer's machine.
func (h *handler) sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.fail(w, r, problemf(forbidden, "a web page of another origin cannot change anything here"))
	}))
	return protection.Handler(next)
}
