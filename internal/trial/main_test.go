//go:build unix

package trial

import "testing"

func TestMain(m *testing.M) { Main(m) }
