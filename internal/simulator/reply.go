package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// reply is what a handler answers: a JSON body, or plain text.
type reply struct {
	status int
	body   any
	text   string // used when body is nil
	header http.Header
}

func ok(body any) (reply, error)      { return reply{status: http.StatusOK, body: body}, nil }
func created(body any) (reply, error) { return reply{status: http.StatusCreated, body: body}, nil }

// problem is an error answer in the shape that Octopus uses.
type problem struct {
	status  int
	message string
	details []string
	help    string
	header  http.Header
}

func (p *problem) Error() string {
	return fmt.Sprintf("%d: %s %s", p.status, p.message, strings.Join(p.details, " "))
}

// invalid is a refused request: 400 with one text for every thing that is wrong.
func invalid(details ...string) *problem {
	return &problem{status: http.StatusBadRequest, message: "There was a problem with your request.", details: details}
}

func notFound(id string) *problem {
	return &problem{status: http.StatusNotFound, message: fmt.Sprintf("The resource '%s' was not found.", id)}
}

// render writes the error body. A 404 has no Errors key unless the switch asks for it, because
// the official client would no longer recognise it; 401, 403 and 429 have none either.
func (p *problem) render(withErrors bool) reply {
	body := document{"ErrorMessage": p.message}
	switch {
	case len(p.details) > 0:
		body["Errors"] = p.details
	case p.status == http.StatusBadRequest || p.status == http.StatusConflict || p.status == http.StatusNotFound && withErrors:
		body["Errors"] = []string{}
	}
	if p.help != "" {
		body["HelpText"] = p.help
	}
	return reply{status: p.status, body: body, header: p.header}
}

// encode turns the reply into bytes. It must run while the state is locked, because the body
// refers to documents of the store.
func (r reply) encode() (contentType string, data []byte, err error) {
	if r.body == nil {
		return "text/plain; charset=utf-8", []byte(r.text), nil
	}
	data, err = json.Marshal(r.body)
	return "application/json; charset=utf-8", data, err
}
