package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"regrow/internal/octopus"
)

// ranking tells elements of a list apart: which of the wanted ones an element
// is, counted from 0, or -1 for somebody else's.
type ranking func(octopus.Document) int

// elements returns the elements of a list in a document.
func elements(d values, pointer string) ([]octopus.Document, error) {
	raw, _, err := d.Value(pointer)
	if err != nil || isNothing(raw) {
		return nil, err
	}
	var list []octopus.Document
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("%s is no list: %w", pointer, err)
	}
	return list, nil
}

// withElements writes a list. Each element keeps its bytes.
func withElements(d octopus.Document, pointer string, list []octopus.Document) (octopus.Document, error) {
	raw := make([][]byte, len(list))
	for i, element := range list {
		raw[i] = element
	}
	return d.With(pointer, json.RawMessage("["+string(bytes.Join(raw, []byte(",")))+"]"))
}

// indexes returns where the wanted elements are, -1 for one that is not there.
func indexes(list []octopus.Document, wanted int, rank ranking) []int {
	at := slices.Repeat([]int{-1}, wanted)
	for i, element := range list {
		if r := rank(element); r >= 0 && at[r] < 0 {
			at[r] = i
		}
	}
	return at
}

// part is an element that a list has to have. It goes behind those that come
// before it in rank, and before those that come after; the others keep their
// places.
func part(field, pointer string, rank ranking, mine int, element octopus.Document, words string) Setting {
	present := func(d values) (bool, error) {
		list, err := elements(d, pointer)
		return slices.ContainsFunc(list, func(e octopus.Document) bool { return rank(e) == mine }), err
	}
	return Setting{
		Field: field, Pointer: pointer, Shape: Part, to: words,
		from:  func(octopus.Document) string { return nothingShown },
		holds: present,
		set: func(d octopus.Document) (octopus.Document, error) {
			list, err := elements(d, pointer)
			if err != nil {
				return nil, err
			}
			return withElements(d, pointer, slices.Insert(list, placeOf(list, rank, mine), element))
		},
	}
}

// placeOf is where an element of a rank belongs in a list that lacks it.
func placeOf(list []octopus.Document, rank ranking, mine int) int {
	place := len(list)
	for i, element := range list {
		switch r := rank(element); {
		case r >= 0 && r < mine:
			place = i + 1
		case r > mine && place == len(list):
			place = i
		}
	}
	return place
}

// inOrder wants the elements of a list that are setup's in the order of their
// ranks. Others keep their places.
func inOrder(field, pointer string, rank ranking, words string) Setting {
	ranks := func(d values) (list []octopus.Document, ours []int, err error) {
		list, err = elements(d, pointer)
		for i, element := range list {
			if rank(element) >= 0 {
				ours = append(ours, i)
			}
		}
		return list, ours, err
	}
	return Setting{
		Field: field, Pointer: pointer, Shape: Order, to: words,
		from: func(octopus.Document) string { return "another order" },
		holds: func(d values) (bool, error) {
			list, ours, err := ranks(d)
			return slices.IsSortedFunc(ours, func(a, b int) int { return rank(list[a]) - rank(list[b]) }), err
		},
		set: func(d octopus.Document) (octopus.Document, error) {
			list, ours, err := ranks(d)
			if err != nil {
				return nil, err
			}
			sorted := slices.Clone(list)
			by := slices.Clone(ours)
			slices.SortStableFunc(by, func(a, b int) int { return rank(list[a]) - rank(list[b]) })
			for i, place := range ours {
				sorted[place] = list[by[i]]
			}
			return withElements(d, pointer, sorted)
		},
	}
}
