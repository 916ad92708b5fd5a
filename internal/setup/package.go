package setup

import (
	"context"

	helloworld "regrow/examples/hello-world/package"
	"regrow/internal/octopus"
)

const packageName = helloworld.ID + " " + helloworld.Version

// lookAtPackage finds the example's package in the built-in feed. A feed keeps
// what it has under a version, so there is nothing to compare.
func (s *scene) lookAtPackage(ctx context.Context, item Item) (finding, error) {
	if s.foreignProcess {
		return notNeeded(item), nil
	}
	has, err := read(ctx, func(ctx context.Context) (bool, error) {
		return s.octopus.HasPackage(ctx, helloworld.ID, helloworld.Version)
	})
	if err != nil {
		return finding{}, err
	}
	if has {
		item.Action = ActionLeave
		return finding{item: item}, nil
	}
	item.Action = ActionCreate
	item.Changes = []Change{{Field: "file", To: helloworld.FileName + " in the built-in feed"}}
	return finding{item: item, write: func(ctx context.Context) error {
		content, err := helloworld.Zip()
		if err != nil {
			return err
		}
		return s.octopus.UploadPackage(ctx, helloworld.FileName, content)
	}}, nil
}

// notNeeded leaves what only the example's own scripts would need.
func notNeeded(item Item) finding {
	item.Action, item.Note = ActionLeave, "It is for the example's scripts, which the process does not run."
	return finding{item: item}
}

// packageReference is how an action names the package that its script is in.
func packageReference() map[string]any {
	return map[string]any{
		"Name": "", "PackageId": helloworld.ID, "FeedId": builtInFeed, "AcquisitionLocation": "Server",
		"Properties": map[string]string{"SelectionMode": "immediate"},
	}
}

// packageSettings are those of an action's primary package, in the list at a
// pointer. A list without one gets it as a whole.
func packageSettings(field func(string) string, pointer string) []Setting {
	primary := func(name, member, wanted string) Setting {
		s := text(field(name), pointer+"/0/"+member, wanted)
		write := s.set
		s.set = func(d octopus.Document) (octopus.Document, error) {
			if list, err := elements(d, pointer); err != nil || len(list) > 0 {
				return write(d)
			}
			return d.With(pointer, []any{packageReference()})
		}
		return s
	}
	return []Setting{
		primary("package", "PackageId", helloworld.ID),
		primary("feed", "FeedId", builtInFeed),
	}
}
