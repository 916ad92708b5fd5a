package terminal

import (
	"fmt"
	"time"
)

// day shows a time with its day and its distance from UTC, for the one time on
// a page that the others are read by.
func (s *Screen) day(t time.Time) string {
	t = t.In(s.Zone)
	_, offset := t.Zone()
	if offset == 0 {
		return t.Format("2006-01-02 15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC-07:00")
}

// clock shows a time on a page that says its day elsewhere: the day again only
// when it is another one.
func (s *Screen) clock(t, page time.Time) string {
	t, page = t.In(s.Zone), page.In(s.Zone)
	if t.YearDay() == page.YearDay() && t.Year() == page.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format("Jan 2 15:04:05")
}

// ago says how long a time has passed, or how long it is until then.
func (s *Screen) ago(t time.Time) string {
	if d := s.Now().Sub(t); d >= 0 {
		return age(d) + " ago"
	}
	return "in " + age(t.Sub(s.Now()))
}

// age shows a duration with its largest unit alone, as is enough for how old
// something is.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
}

// duration shows how long something took, as exactly as matters.
func duration(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d.Round(time.Second) < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd %02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
