package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-chi/chi/v5"

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
		return problemf(badRequest, "the query cannot be decoded")
	}
	if err := knownParameters(route, query); err != nil {
		return err
	}
	params := map[string]string{}
	for i, name := range at.URLParams.Keys {
		params[name] = at.URLParams.Values[i]
	}
	err = describeMistakes(openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: query, Route: route,
		Options: &openapi3filter.Options{
			MultiError:          true,
			SkipSettingDefaults: true,
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc, // allow has done it
		},
	}))
	if err != nil {
		return err
	}
	return wellFormed(r)
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
	return webhookProblem(webhook.CheckJSON(body))
}

// knownParameters refuses parameters that the operation does not have: a filter
// that is spelled wrongly would show everything.
func knownParameters(route *routers.Route, query url.Values) error {
	var known []string
	for _, list := range []openapi3.Parameters{route.PathItem.Parameters, route.Operation.Parameters} {
		for _, parameter := range list {
			if parameter.Value.In == openapi3.ParameterInQuery {
				known = append(known, parameter.Value.Name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return problemf(badRequest, "there is no parameter %q here; known are %q", name, known).atParameter(name)
		}
	}
	return nil
}

// describeMistakes makes one problem of all that the validation found.
func describeMistakes(err error) error {
	if err == nil {
		return nil
	}
	if media := unexpectedMedia(err); media != nil {
		return media
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

// unexpectedMedia finds out whether the body's type was the mistake, which has
// a status of its own.
func unexpectedMedia(err error) error {
	if request, ok := errors.AsType[*openapi3filter.RequestError](err); ok && request.RequestBody != nil && request.Err == nil {
		sent := request.Input.Request.Header.Get("Content-Type")
		if !strings.HasPrefix(sent, "application/json") {
			return problemf(unsupportedMedia, "expected the content type application/json, found %q", sent)
		}
	}
	return nil
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
		place.Detail = err.Reason
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

func parseReason(err *openapi3filter.ParseError) string {
	if err.Reason != "" {
		return err.Reason
	}
	return "it cannot be decoded"
}

// pointer returns a JSON pointer (RFC 6901) in a URI fragment.
func pointer(path []string) string {
	var b bytes.Buffer
	b.WriteString("#")
	for _, step := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}
