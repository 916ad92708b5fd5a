//go:build unix && soak

package trial

import (
	"flag"
	"testing"
	"time"
)

var soak = flag.Duration("soak", 10*time.Minute, "how long TestSoak has trouble with three replicas")

// For long enough, whatever is rare happens: every acknowledged delivery ends in a
// run that has ended, and nothing happens twice.
func TestSoak(t *testing.T) { replicas(t, *soak) }
