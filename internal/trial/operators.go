//go:build unix

package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"regrow/internal/client"
)

// Operators have people steer by chance, until it is ended: they cancel runs, get
// away from them, start some by hand, have deliveries played again, and pause lanes
// or everything for a moment. What they ask for may be refused or get no answer;
// they do not insist. In the end they lift what is paused, for which some process
// has to be alive. The error is an answer that they should not have got.
func (w *World) Operators(ctx context.Context, random *rand.Rand) (end func() error) {
	working, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	var failed error
	work.Go(func() {
		for working.Err() == nil && failed == nil {
			rest(working, time.Duration(200+random.IntN(1000))*time.Millisecond)
			if failed = w.operate(working, random); working.Err() != nil {
				failed = nil // nobody waited for the answer
			}
		}
	})
	return func() error {
		stop()
		work.Wait()
		if failed != nil {
			return failed
		}
		return w.liftPauses(ctx)
	}
}

// operate does one thing.
func (w *World) operate(ctx context.Context, random *rand.Rand) error {
	lane := w.Lanes[random.IntN(len(w.Lanes))]
	switch random.IntN(6) {
	case 0:
		id := w.some(ctx, "select id from runs where ended_at is null order by random() limit 1")
		return w.tell(ctx, http.MethodPost, "runs/"+id+"/cancel", `{"reason":"by chance"}`)
	case 1, 2:
		id := w.some(ctx, "select id from runs where lane_turn is not null order by lane_turn desc offset floor(random() * 5) limit 1")
		return w.tell(ctx, http.MethodPost, "runs/"+id+"/rollback", `{"reason":"by chance"}`)
	case 3:
		return w.tell(ctx, http.MethodPost, "runs", fmt.Sprintf(`{"pipeline":%q,"branch":"main","commit":"%040x"}`, lane.Name, random.Uint64()))
	case 4:
		id := w.some(ctx, "select id from deliveries where kind = 'github' order by random() limit 1")
		return w.tell(ctx, http.MethodPost, "deliveries/"+id+"/redeliver", `{"reason":"by chance"}`)
	default:
		what := fmt.Sprintf(`"scope":"lane","pipeline":%q`, lane.Name)
		if random.IntN(3) == 0 {
			what = `"scope":"all"`
		}
		if err := w.tell(ctx, http.MethodPost, "pauses", `{`+what+`,"reason":"by chance"}`); err != nil {
			return err
		}
		rest(ctx, time.Duration(random.IntN(1500))*time.Millisecond)
		_, err := w.liftOnce(ctx)
		return err
	}
}

// some returns an id that a query finds, or one of nothing.
func (w *World) some(ctx context.Context, query string) string {
	var id uuid.UUID
	if err := w.Pool.QueryRow(ctx, query).Scan(&id); err != nil {
		return uuid.Nil.String()
	}
	return id.String()
}

// tell asks the REST API for something, once.
func (w *World) tell(ctx context.Context, method, what, body string) error {
	_, _, err := w.api(ctx, method, what, body)
	return err
}

// expected are the answers that an operator may get: done, refused, not there, or
// not now.
var expected = []int{
	http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusConflict, http.StatusNotFound,
	http.StatusBadGateway, http.StatusServiceUnavailable,
}

// api sends a request to the REST API. No answer is status 0 and no error.
func (w *World) api(ctx context.Context, method, what, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, w.balancer.URL+"/api/v1/"+what, strings.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("asking for %s: %w", what, err)
	}
	request.Header.Set("Authorization", "Bearer "+OperatorToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := sending.Do(request)
	if err != nil {
		return 0, nil, nil // the process may be gone
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, nil // the same
	}
	if !slices.Contains(expected, response.StatusCode) {
		return response.StatusCode, answer, fmt.Errorf("%s %s was answered %s: %s", method, what, response.Status, answer)
	}
	return response.StatusCode, answer, nil
}

// liftOnce lifts all pauses that stand, and tells whether none is left.
func (w *World) liftOnce(ctx context.Context) (none bool, err error) {
	status, answer, err := w.api(ctx, http.MethodGet, "pauses", "")
	if status != http.StatusOK || err != nil {
		return false, err
	}
	var list client.PauseList
	if err := json.Unmarshal(answer, &list); err != nil {
		return false, fmt.Errorf("reading the pauses: %w", err)
	}
	for _, pause := range list.Pauses {
		if err := w.tell(ctx, http.MethodDelete, "pauses/"+pause.ID.String(), ""); err != nil {
			return false, err
		}
	}
	return len(list.Pauses) == 0, nil
}

func (w *World) liftPauses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		none, err := w.liftOnce(ctx)
		switch {
		case none || err != nil:
			return err
		case ctx.Err() != nil:
			return errors.New("the pauses could not be lifted: no process answers")
		}
		rest(ctx, 100*time.Millisecond)
	}
}
