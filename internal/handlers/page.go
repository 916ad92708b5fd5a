package handlers

import (
	"time"

	"regrow/internal/handlers/api"
)

// defaultPage is how many entries a page has when nothing else is asked for.
// The largest page stands in openapi.yaml.
const defaultPage = 50

func pageSize(asked *api.Limit) int32 {
	if asked == nil {
		return defaultPage
	}
	return *asked
}

// page cuts a list that was asked for with one entry too many to the page. It
// returns the last entry of the page when there is another page.
func page[T any](found []T, limit int32) (shown []T, last *T) {
	if len(found) <= int(limit) {
		return found, nil
	}
	shown = found[:limit]
	return shown, &shown[limit-1]
}

// each shows every entry of a list. None is an empty list.
func each[From, To any](list []From, show func(From) To) []To {
	shown := make([]To, 0, len(list))
	for _, entry := range list {
		shown = append(shown, show(entry))
	}
	return shown
}

// text makes an optional plain text of an optional enumeration.
func text[T ~string](value *T) *string {
	if value == nil {
		return nil
	}
	return new(string(*value))
}

// moment shows a time that may not have come yet.
func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// seconds shows how long something took that may not have ended, or begun.
func seconds(from, to *time.Time) float64 {
	if from == nil || to == nil {
		return 0
	}
	return to.Sub(*from).Seconds()
}
