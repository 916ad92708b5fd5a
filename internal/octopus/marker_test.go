package octopus

import "testing"

func TestMarkerIsFoundAsAWholeOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, marker string
		want         bool
	}{
		{"regrow run 1", "regrow run 1", true},
		{"notes\n\nregrow run 1\n", "regrow run 1", true},
		{"(regrow run 1)", "regrow run 1", true},
		{"regrow run 12", "regrow run 1", false},
		{"regrow run 12, regrow run 1.", "regrow run 1", true},
		{"xregrow run 1", "regrow run 1", false},
		{"regrow run 1-b", "regrow run 1", false},
		{"regrow run 1_b", "regrow run 1", false},
		{"regrow run 1ü", "regrow run 1", false},
		{"\xffregrow run 1\xff", "regrow run 1", true},
		{"", "regrow run 1", false},
		{"anything", "", false},
	}
	for _, tt := range tests {
		if got := carries(tt.text, tt.marker); got != tt.want {
			t.Errorf("carries(%q, %q) = %v, want %v", tt.text, tt.marker, got, tt.want)
		}
	}
	for _, text := range []string{"", "some notes", "ends with run", "holds [run-1] already"} {
		once := mark(text, "[run-1]")
		if !carries(once, "[run-1]") {
			t.Errorf("mark(%q) = %q, which does not carry the marker", text, once)
		}
		if twice := mark(once, "[run-1]"); twice != once {
			t.Errorf("marking %q twice gives %q", once, twice)
		}
	}
}
