package simulator

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// maxBody bounds request bodies; packages are the largest.
const maxBody = 64 << 20

type contextKey int

const (
	originalPathKey contextKey = iota
	spaceKey
)

// address is what the space part of a path came to.
type address struct {
	space string // "" when the path names none
}

// originalPath is the path as the client sent it, BasePath included.
func originalPath(r *http.Request) string {
	path, _ := r.Context().Value(originalPathKey).(string)
	return path
}

// routes builds the handler: faults outermost, then the many spellings of a path brought to one,
// then the routes.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(s.handle(func(c *call) (reply, error) { return reply{}, notFound(originalPath(c.r)) }))
	r.MethodNotAllowed(s.handle(func(*call) (reply, error) {
		return reply{}, &problem{status: http.StatusMethodNotAllowed, message: "The method is not allowed for this resource."}
	}))
	s.rootRoutes(r)
	s.permissionRoutes(r)
	s.spaceRoutes(r)
	for _, k := range s.kinds {
		s.kindRoutes(r, k)
	}
	s.projectRoutes(r)
	s.processRoutes(r)
	s.gitRoutes(r)
	s.channelRoutes(r)
	s.releaseRoutes(r)
	s.deploymentRoutes(r)
	s.taskRoutes(r)
	s.machineRoutes(r)
	s.eventRoutes(r)
	s.interruptionRoutes(r)
	s.packageRoutes(r)
	s.runbookRoutes(r)
	s.controlRoutes(r)
	return s.withDate(s.withFaults(s.canonical(r)))
}

// withDate has answers tell the time of a clock that goes wrong, if it is to. The header is about
// real time: it is what clients compare their own clock with.
func (s *Server) withDate(next http.Handler) http.Handler {
	skew := s.switches.ClockSkew
	if skew == 0 {
		return next // net/http writes the header
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r)
	})
}

var spaceSegment = regexp.MustCompile(`^spaces-\d+$`)

// canonical accepts every spelling of a path that Octopus accepts (any case, a trailing slash,
// the space as "/api/Spaces-1", as "/api/spaces/Spaces-1" or not at all) and serves the routes
// one: lower case, no space, no slash at the end.
func (s *Server) canonical(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The official client follows some links without expanding their "{?skip,take}".
		sent, _, _ := strings.Cut(r.URL.Path, "{")
		path, _, _ := strings.Cut(segmentsOf(r.URL), "{")
		path, mounted := strings.CutPrefix(path, s.options.BasePath)
		ctx := context.WithValue(r.Context(), originalPathKey, sent)
		if !mounted {
			http.NotFound(w, r)
			return
		}
		path, where := splitSpace(strings.ToLower(strings.TrimRight(path, "/")))
		r = r.Clone(context.WithValue(ctx, spaceKey, where))
		r.URL.Path, r.URL.RawPath = orDefault(path, "/"), ""
		next.ServeHTTP(w, r)
	})
}

// segmentsOf is a path in which a slash that belongs to a name, such as that of a Git branch, stays
// escaped and everything else is not.
func segmentsOf(address *url.URL) string {
	segments := strings.Split(address.EscapedPath(), "/")
	for i, segment := range segments {
		if plain, err := url.PathUnescape(segment); err == nil {
			segments[i] = strings.ReplaceAll(plain, "/", "%2F")
		}
	}
	return strings.Join(segments, "/")
}

// splitSpace takes the space out of a lower-case path.
func splitSpace(path string) (string, address) {
	segments := strings.Split(path, "/") // "", "api", ...
	if len(segments) < 3 || segments[1] != "api" {
		return path, address{}
	}
	if spaceSegment.MatchString(segments[2]) {
		return strings.TrimRight("/space/"+strings.Join(segments[3:], "/"), "/"), address{space: segments[2]}
	}
	if len(segments) > 4 && segments[2] == "spaces" && spaceSegment.MatchString(segments[3]) &&
		segments[4] != "logo" && segments[4] != "search" {
		return "/space/" + strings.Join(segments[4:], "/"), address{space: segments[3]}
	}
	return path, address{}
}

// get, post, put and remove register a route both with and without a space in the path, where the
// kind allows both.
func (s *Server) get(r chi.Router, pattern string, h handler) { s.route(r, http.MethodGet, pattern, h) }
func (s *Server) post(r chi.Router, pattern string, h handler) {
	s.route(r, http.MethodPost, pattern, h)
}
func (s *Server) put(r chi.Router, pattern string, h handler) { s.route(r, http.MethodPut, pattern, h) }
func (s *Server) remove(r chi.Router, pattern string, h handler) {
	s.route(r, http.MethodDelete, pattern, h)
}

func (s *Server) route(r chi.Router, method, pattern string, h handler) {
	served := s.handleFor(permissionFor(method, pattern), h)
	r.MethodFunc(method, "/api"+pattern, served)
	if k := s.kinds[strings.Split(pattern, "/")[1]]; k == nil || !k.unspaced {
		r.MethodFunc(method, "/space"+pattern, served)
	}
}

// handle is handleFor for what needs no permission.
func (s *Server) handle(h handler) http.HandlerFunc { return s.handleFor("", h) }

// handleFor turns a handler into an HTTP handler: it reads the body, checks the caller, locks the
// state, lets everything happen that is due, and writes the answer after unlocking.
func (s *Server) handleFor(permission string, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "reading the request body: "+err.Error(), http.StatusBadRequest)
			return
		}
		status, contentType, header, answer := s.serve(permission, h, r, data)
		write(w, status, contentType, header, answer)
		s.alert()
	}
}

func write(w http.ResponseWriter, status int, contentType string, header http.Header, body []byte) {
	for name, values := range header {
		w.Header()[name] = values
	}
	if len(body) > 0 {
		w.Header().Set("Content-Type", contentType)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON or plain text by its Content-Type, never HTML; a client that has gone away needs no answer
}

// serve answers with the state locked, encoding included, because answers refer to live documents.
func (s *Server) serve(permission string, h handler, r *http.Request, data []byte) (int, string, http.Header, []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.catchUp()
	answer, err := s.answer(permission, h, r, data)
	return s.encode(answer, err)
}

// encode turns an answer or an error into status, content type, headers and body.
func (s *Server) encode(answer reply, err error) (int, string, http.Header, []byte) {
	if err != nil {
		p, isProblem := errors.AsType[*problem](err)
		if !isProblem {
			p = &problem{status: http.StatusInternalServerError, message: "The simulator failed: " + err.Error()}
		}
		answer = p.render(s.switches.NotFoundWithErrors)
		if p.status == http.StatusTooManyRequests && s.switches.RateLimitEmptyBody {
			return p.status, "", p.header, nil
		}
	}
	contentType, body, err := answer.encode()
	if err != nil {
		return http.StatusInternalServerError, "text/plain", nil, []byte(err.Error())
	}
	return answer.status, contentType, answer.header, body
}

func (s *Server) answer(permission string, h handler, r *http.Request, data []byte) (reply, error) {
	where, _ := r.Context().Value(spaceKey).(address)
	c := &call{Server: s, r: r, data: data, query: parseQuery(r.URL.Query()), space: s.defaultSpace(), allSpaces: where.space == ""}
	if r.URL.Path != "/api" || where.space != "" {
		who, err := s.authenticate(r)
		if err != nil {
			return reply{}, err
		}
		if err := s.mayDo(who, r.Method, permission); err != nil {
			return reply{}, err
		}
		c.by = cause{actor: ActorAPI, requester: r.UserAgent(), user: who}
	}
	if !strings.HasPrefix(r.URL.Path, controlPrefix) {
		if err := s.limit(); err != nil {
			return reply{}, err
		}
	}
	if where.space != "" {
		space := s.documents["spaces"].get(where.space)
		if space == nil {
			return reply{}, notFound(strings.Replace(where.space, "s", "S", 1))
		}
		c.space = space.id()
	}
	return h(c)
}

// user is who a request or an effect belongs to.
type user struct {
	id, name string
	readOnly bool
}

var (
	systemUser   = user{id: "users-system", name: "system"}
	adminUser    = user{id: "Users-1", name: "admin"}
	readOnlyUser = user{id: "Users-2", name: "auditor", readOnly: true}
)

// authenticate checks the API key, or a bearer token of the same text.
func (s *Server) authenticate(r *http.Request) (user, error) {
	key := r.Header.Get("X-Octopus-ApiKey")
	if key == "" {
		key = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if sameSecret(key, s.options.APIKey) {
		return adminUser, nil
	}
	if s.options.ReadOnlyAPIKey != "" && sameSecret(key, s.options.ReadOnlyAPIKey) {
		return readOnlyUser, nil
	}
	return user{}, &problem{status: http.StatusUnauthorized,
		message: "You must be logged in to request this resource. Please provide a valid API key or log in.",
		help:    "Send an API key in the X-Octopus-ApiKey header."}
}

func sameSecret(got, want string) bool {
	return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}

// limit takes a token out of the rate limiter's bucket, in virtual time.
func (s *Server) limit() error {
	if s.limiter == nil || s.limiter.AllowN(s.clock.now, 1) {
		return nil
	}
	return &problem{status: http.StatusTooManyRequests, message: "Too many requests. Please try again later.",
		header: http.Header{"Retry-After": {"1"}, "Octopus-Ratelimit-Policy": {"default"}}}
}
