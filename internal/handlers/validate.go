package handlers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"regrow"
	"regrow/internal/handlers/api"
	"regrow/internal/webhook"
)

// describedRoutes returns the operations of openapi.yaml by method and path.
func describedRoutes() (map[string]*routers.Route, error) {
	doc, err := openapi3.NewLoader().LoadFromData(regrow.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("reading openapi.yaml: %w", err)
	}
	described := map[string]*routers.Route{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			described[method+" "+path] = &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: operation}
		}
	}
	return described, nil
}

// validate refuses requests that are not as openapi.yaml describes them, and
// says at which places.
func (h *handler) validate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.asDescribed(r); err != nil {
			h.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) asDescribed(r *http.Request) error {
	at := chi.RouteContext(r.Context())
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	route, ok := h.routes[method+" "+at.RoutePattern()]
	if !ok {
		return fmt.Errorf("openapi.yaml does not describe %s %s", method, at.RoutePattern())
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problemf(badRequest, "the query cannot be decoded: %v", err)
	}
	if err := knownParameters(route, query); err != nil {
		return err
	}
	params := map[string]string{}
	for i, name := range at.URLParams.Keys {
		params[name] = at.URLParams.Values[i]
	}
	if err := wellFormedIDs(route, params, query); err != nil {
		return err
	}
	if err := expectedType(r, route); err != nil {
		return err
	}
	if err := wellFormed(r); err != nil {
		return err
	}
	return describeMistakes(openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: query, Route: route,
		Options: &openapi3filter.Options{
			MultiError:          true,
			SkipSettingDefaults: true,
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc, // allow has done it
		},
	}))
}

// expectedType refuses a body of another type than JSON.
func expectedType(r *http.Request, route *routers.Route) error {
	if route.Operation.RequestBody == nil || r.ContentLength == 0 {
		return nil
	}
	sent := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(sent); err != nil || media != "application/json" {
		return problemf(unsupportedMedia, "expected the content type application/json, found %q", sent)
	}
	return nil
}

// wellFormed refuses a body that is not one JSON object, read as strictly as a
// webhook: of a member that stands twice, nobody knows which one was meant.
func wellFormed(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	setBody(r, body)
	if len(body) == 0 {
		return nil
	}
	err = webhook.CheckJSON(body)
	if wrong, ok := errors.AsType[*webhook.Error](err); ok {
		return problemf(badRequest, "%s", wrong.Message).at(wrong.Pointer)
	}
	return err
}

// knownParameters refuses parameters that the operation does not have: a filter
// that is spelled wrongly would show everything. Of one that is there twice,
// nobody knows which was meant.
func knownParameters(route *routers.Route, query url.Values) error {
	var known []string
	for _, parameter := range parametersOf(route) {
		if parameter.In == openapi3.ParameterInQuery {
			known = append(known, parameter.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return problemf(badRequest, "there is no parameter %q here; known are %q", name, known).atParameter(name)
		}
		if n := len(query[name]); n > 1 {
			return problemf(badRequest, "the parameter %q is there %d times; say it once", name, n).atParameter(name)
		}
		if text := query.Get(name); !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return problemf(badRequest, "the parameter %q holds a character that no text here has: U+0000, or bytes that are not UTF-8", name).atParameter(name)
		}
	}
	return nil
}

// wellFormedIDs refuses ids that are no UUIDs.
func wellFormedIDs(route *routers.Route, path map[string]string, query url.Values) error {
	for _, parameter := range parametersOf(route) {
		id, there := path[parameter.Name], parameter.In == openapi3.ParameterInPath
		if parameter.In == openapi3.ParameterInQuery {
			id, there = query.Get(parameter.Name), query.Has(parameter.Name)
		}
		if there && parameter.Schema.Value.Format == "uuid" && uuid.Validate(id) != nil {
			return problemf(badRequest, "parameter %q: expected a UUID, found %s", parameter.Name, found(id)).atParameter(parameter.Name)
		}
	}
	return nil
}

func parametersOf(route *routers.Route) (list []*openapi3.Parameter) {
	for _, parameters := range []openapi3.Parameters{route.PathItem.Parameters, route.Operation.Parameters} {
		for _, parameter := range parameters {
			list = append(list, parameter.Value)
		}
	}
	return list
}

// describeMistakes makes one problem of all that the validation found.
func describeMistakes(err error) error {
	if err == nil {
		return nil
	}
	var places []api.ProblemError
	collectMistakes(err, api.ProblemError{}, &places)
	p := problemf(badRequest, "the request is not as openapi.yaml describes it")
	if len(places) > 0 {
		p.detail = places[0].Detail
		if places[0].Parameter != "" {
			p.detail = fmt.Sprintf("parameter %q: %s", places[0].Parameter, places[0].Detail)
		} else if places[0].Pointer != "" {
			p.detail = fmt.Sprintf("body at %s: %s", places[0].Pointer, places[0].Detail)
		}
	}
	p.places = places
	return p
}

// collectMistakes walks down the tree of errors and notes each leaf with the
// parameter or the place in the body that it is about.
func collectMistakes(err error, place api.ProblemError, places *[]api.ProblemError) {
	switch err := err.(type) { //nolint:errorlint // it walks the tree itself, node by node
	case openapi3.MultiError:
		for _, each := range err {
			collectMistakes(each, place, places)
		}
	case *openapi3filter.RequestError:
		if err.Parameter != nil {
			place.Parameter = err.Parameter.Name
		} else {
			place.Pointer = "#"
		}
		place.Detail = err.Reason
		if err.Err == nil {
			*places = append(*places, place)
			return
		}
		collectMistakes(err.Err, place, places)
	case *openapi3.SchemaError:
		place.Detail = mistake(err, place.Parameter)
		if place.Parameter == "" {
			place.Pointer = pointer(err.JSONPointer())
		}
		*places = append(*places, place)
	case *openapi3filter.ParseError:
		place.Detail = parseReason(err)
		*places = append(*places, place)
	default:
		if place.Detail == "" {
			place.Detail = err.Error()
		}
		*places = append(*places, place)
	}
}

// mistake says what was expected and what came. What came in a header stays
// untold: it could be a secret in the wrong place.
func mistake(err *openapi3.SchemaError, parameter string) string {
	expected := err.Reason
	switch {
	case err.SchemaField == "format" && err.Schema.Format == "date-time":
		expected = "expected a time such as 2006-01-02T15:04:05Z (RFC 3339)"
	case err.SchemaField == "required", err.SchemaField == "properties", err.SchemaField == "oneOf":
		return expected // what came is all of the object
	}
	if slices.Contains(headerParameters, parameter) {
		return expected
	}
	return expected + ", found " + found(err.Value)
}

// headerParameters are those of openapi.yaml that come in headers.
var headerParameters = []string{"Idempotency-Key", "Last-Event-ID"}

// found shows a value of a request: a short one as it is.
func found(value any) string {
	const short = 80
	switch value := value.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "an array"
	case string:
		if len(value) > short {
			return fmt.Sprintf("a string of %d bytes", len(value))
		}
		return strconv.Quote(value)
	case nil:
		return "null"
	default:
		return fmt.Sprint(value)
	}
}

func parseReason(err *openapi3filter.ParseError) string {
	if err.Reason != "" {
		return err.Reason
	}
	return "it cannot be decoded"
}

// pointer returns a JSON pointer (RFC 6901) in a URI fragment.
func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteString("/" + escapeStep(step))
	}
	return inFragment(b.String())
}

// escapeStep writes one step of a JSON pointer.
func escapeStep(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// inFragment writes a JSON pointer as a URI fragment (RFC 6901, section 6).
func inFragment(pointer string) string {
	return "#" + (&url.URL{Fragment: pointer}).EscapedFragment()
}
