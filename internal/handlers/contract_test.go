package handlers

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/go-chi/chi/v5"

	"regrow"
)

// checkedTransport checks every answer against openapi.yaml, and that what was
// answered with 2xx had been asked as openapi.yaml says. It finds operations in
// another way than the server does.
type checkedTransport struct {
	t       *testing.T
	doc     *openapi3.T
	router  routers.Router
	carrier http.RoundTripper
}

func newCheckedTransport(t *testing.T) *checkedTransport {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(regrow.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("openapi.yaml is not as OpenAPI asks: %v", err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	carrier := &http.Transport{}
	t.Cleanup(carrier.CloseIdleConnections)
	return &checkedTransport{t, doc, router, carrier}
}

// RoundTrip sends the request and checks what comes back.
func (c *checkedTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent []byte
	if request.Body != nil {
		var err error
		if sent, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := c.carrier.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	asked := request.Clone(request.Context())
	asked.Body = io.NopCloser(bytes.NewReader(sent))
	if err := c.check(asked, response); err != nil {
		complaint, _, _ := strings.Cut(err.Error(), "\nSchema:") // which would be the whole document
		c.t.Errorf("%s %s answered %d: %s", request.Method, request.URL.Path, response.StatusCode, complaint)
	}
	return response, nil
}

func (c *checkedTransport) check(request *http.Request, response *http.Response) error {
	streaming := strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream")
	var body []byte
	if !streaming {
		var err error
		if body, err = io.ReadAll(response.Body); err != nil {
			return err
		}
		response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
	}
	route, params, err := c.router.FindRoute(request)
	if err == nil {
		answers.note(route, response.StatusCode)
	}
	if request.Method == http.MethodHead && len(body) == 0 {
		return nil // GET without the body
	}
	if errors.Is(err, routers.ErrPathNotFound) || errors.Is(err, routers.ErrMethodNotAllowed) {
		return c.checkProblem(response, body)
	}
	if err != nil {
		return err
	}
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, ExcludeResponseBody: streaming, MultiError: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route, Options: options}
	if response.StatusCode < http.StatusMultipleChoices {
		if err := openapi3filter.ValidateRequest(request.Context(), input); err != nil {
			return fmt.Errorf("the request is not as described and was taken: %w", err)
		}
	}
	return openapi3filter.ValidateResponse(request.Context(), (&openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header, Options: options,
	}).SetBodyBytes(body))
}

// answers are the statuses that all tests together were answered with, by
// operation.
var answers = witnessed{seen: map[string]map[int]bool{}}

type witnessed struct {
	mu   sync.Mutex
	seen map[string]map[int]bool
}

func (w *witnessed) note(route *routers.Route, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	operation := route.Method + " " + route.Path
	if w.seen[operation] == nil {
		w.seen[operation] = map[int]bool{}
	}
	w.seen[operation][status] = true
}

// TestMain runs all tests, and then compares what they were answered with to what
// openapi.yaml describes.
func TestMain(m *testing.M) {
	code := m.Run()
	chosen := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String() + flag.Lookup("test.list").Value.String()
	if code == 0 && chosen == "" && flag.Lookup("test.fuzz").Value.String() == "" {
		for _, complaint := range answers.compare() {
			fmt.Println(complaint)
			code = 1
		}
	}
	os.Exit(code)
}

// everywhere are the statuses that any operation may answer with; openapi.yaml
// tells of them in one place, the default answer.
var everywhere = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusServiceUnavailable}

// compare finds the statuses that are described and were never seen, and those
// that were seen and are not described.
func (w *witnessed) compare() (complaints []string) {
	described, err := describedRoutes()
	if err != nil {
		return []string{err.Error()}
	}
	for _, operation := range slices.Sorted(maps.Keys(described)) {
		responses := described[operation].Operation.Responses
		for _, status := range slices.Sorted(maps.Keys(w.seen[operation])) {
			if responses.Status(status) == nil && !slices.Contains(everywhere, status) {
				complaints = append(complaints, fmt.Sprintf("%s is answered %d, which openapi.yaml does not describe", operation, status))
			}
		}
		for text := range responses.Map() {
			if status, err := strconv.Atoi(text); err == nil && !w.seen[operation][status] {
				complaints = append(complaints, fmt.Sprintf("openapi.yaml has %s answered %d, and no test sees that", operation, status))
			}
		}
	}
	return complaints
}

// checkProblem checks answers about what openapi.yaml does not know.
func (c *checkedTransport) checkProblem(response *http.Response, body []byte) error {
	schema := c.doc.Components.Schemas["Problem"].Value
	document, err := openapi3filter.RegisteredBodyDecoder("application/json")(bytes.NewReader(body), response.Header, openapi3.NewSchemaRef("", schema), nil)
	if err != nil {
		return err
	}
	return schema.VisitJSON(document)
}

func TestEveryRouteIsDescribedAndEveryDescriptionIsARoute(t *testing.T) {
	t.Parallel()
	described, err := describedRoutes()
	if err != nil {
		t.Fatal(err)
	}
	routed := map[string]bool{}
	err = chi.Walk(serve(t).Config.Handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routed[method+" "+route] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range slices.Sorted(maps.Keys(described)) {
		if !routed[operation] {
			t.Errorf("openapi.yaml describes %s, and there is no such route", operation)
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(routed)) {
		if described[operation] == nil {
			t.Errorf("openapi.yaml does not describe the route %s", operation)
		}
	}
}
