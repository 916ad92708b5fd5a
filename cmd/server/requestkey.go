package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"regrow/internal/client"
)

// requestKey is the id of a request that may be sent again: what it asks for is
// done once.
type requestKey struct{ id string }

func (k *requestKey) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.id, "idempotency-key", "", "your own `id` of this request; what is not a visible ASCII character counts as - (default a new one)")
}

// header is the key as the API takes it. The names of jobs, of which build servers
// make theirs, can hold spaces.
func (k *requestKey) header() *string {
	if k.id == "" {
		k.id = uuid.NewString()
	}
	var clean strings.Builder
	for i := range len(k.id) {
		letter := k.id[i]
		if letter < '!' || letter > '~' {
			letter = '-'
		}
		clean.WriteByte(letter)
	}
	k.id = clean.String()
	return &k.id
}

// explain adds to an error how to ask again without having it done twice, unless
// the server has refused: any other failure leaves open whether it was done.
func (k *requestKey) explain(s *session, err error, sure string) error {
	problem, answered := errors.AsType[*client.Error](err)
	switch {
	case err == nil, answered && problem.Status < http.StatusInternalServerError:
		return s.explain(err)
	case answered: // only the problem is told
		told := *problem
		told.Remedy = strings.TrimPrefix(told.Remedy+fmt.Sprintf("; to be sure that %s, repeat it with --idempotency-key %s", sure, k.id), "; ")
		return &told
	default:
		return fmt.Errorf("%w\nTo be sure that %s, repeat it with --idempotency-key %s", s.explain(err), sure, k.id)
	}
}
