package store

import "regrow/internal/pipeline"

// Commit is the commit that the run is of.
func (r Run) Commit() pipeline.Commit {
	return pipeline.Commit{
		Repository: r.Repository, Ref: r.Ref, SHA: r.CommitSha,
		Message: r.Message, Author: r.Author, Version: r.Version, URL: r.CommitUrl,
	}
}
