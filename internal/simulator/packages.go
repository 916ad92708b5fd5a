package simulator

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"
)

func packageKind() *kind {
	return &kind{
		name: "packages", prefix: "packages", itemType: "Package", template: "{?nuGetPackageId,filter,latest,skip,take,includeNotes}", readOnly: true, newestFirst: true,
		filter: func(c *call, d document) bool {
			search := strings.ToLower(c.query.text("filter"))
			return c.query.allows("nuGetPackageId", d.text("PackageId")) && strings.Contains(strings.ToLower(d.text("PackageId")), search) &&
				(!c.query.flag("latest") || c.newestPackage(d.text("PackageId")) == d.text("Version"))
		},
		links: func(d document) map[string]string {
			return map[string]string{"Raw": "/api/{space}/packages/" + d.id() + "/raw"}
		},
	}
}

// packageName splits "Acme.Web.1.2.3-beta.zip": the version begins at the first number after a dot.
var packageName = regexp.MustCompile(`^(.+?)\.(\d+(?:\.\d+)*(?:[-+][0-9A-Za-z.\-+]*?)?)\.(zip|nupkg|jar|war|ear|rar|tar\.gz|tgz|tar)$`)

func (s *Server) packageRoutes(r chi.Router) {
	s.post(r, "/packages/raw", uploadPackage)
	s.remove(r, "/packages/bulk", func(c *call) (reply, error) {
		for _, id := range c.query.list("ids") {
			c.removePackage(id)
		}
		return ok(document{})
	})
	s.get(r, "/packages/{package}/raw", func(c *call) (reply, error) {
		d, err := c.find("packages", "package")
		if err != nil {
			return reply{}, err
		}
		return reply{status: http.StatusOK, text: string(c.packages[d.id()])}, nil
	})
	s.remove(r, "/packages/{package}", func(c *call) (reply, error) {
		d, err := c.find("packages", "package")
		if err != nil {
			return reply{}, err
		}
		c.removePackage(d.id())
		return ok(document{})
	})
	s.get(r, "/feeds/stats", func(c *call) (reply, error) {
		return ok(document{"TotalPackages": len(c.documents["packages"].order)})
	})
	s.get(r, "/feeds/{feed}/packages/versions", func(c *call) (reply, error) {
		if _, err := c.find("feeds", "feed"); err != nil {
			return reply{}, err
		}
		k := c.kinds["packages"]
		found := c.documents["packages"].where(func(d document) bool {
			return c.visible(d) && strings.EqualFold(d.text("PackageId"), c.query.text("packageId"))
		})
		return ok(c.page("PackageVersion", k.path("")+k.template, c.showAll(k, found)))
	})
}

// uploadPackage takes a multipart form with one file, whose name says id and version.
func uploadPackage(c *call) (reply, error) {
	name, content, err := uploadedFile(c.r.Header.Get("Content-Type"), c.data)
	if err != nil {
		return reply{}, invalid(err.Error())
	}
	parts := packageName.FindStringSubmatch(name)
	if parts == nil {
		return reply{}, invalid(fmt.Sprintf("'%s' is not a package: the file name must be like Name.1.0.0.zip.", name))
	}
	k := c.kinds["packages"]
	id, version := parts[1], parts[2]
	documentID := "packages-" + id + "." + version
	existing := c.documents["packages"].get(documentID)
	mode := orDefault(c.query.text("overwriteMode"), "FailIfExists")
	if c.query.flag("replace") {
		mode = "OverwriteExisting"
	}
	switch {
	case existing != nil && strings.EqualFold(mode, "IgnoreIfExists"):
		return ok(c.show(k, existing))
	case existing != nil && strings.EqualFold(mode, "FailIfExists"):
		return reply{}, &problem{status: c.switches.PackageConflictStatus, message: "There was a problem with your request.",
			details: []string{fmt.Sprintf("A package with ID '%s' and version '%s' already exists.", id, version)}}
	}
	d := document{"Id": documentID, "SpaceId": c.space, "PackageId": id, "Version": version, "FeedId": "feeds-builtin", "NuGetPackageId": id, "NuGetFeedId": "feeds-builtin",
		"Title": id, "Summary": nil, "Description": nil, "Hash": fmt.Sprintf("%x", sha256.Sum256(content)), "PackageSizeBytes": len(content), "Published": c.stamp(),
		"ReleaseNotes": nil, "FileExtension": "." + parts[3], "PackageVersionBuildInformation": nil}
	c.packages[documentID] = content
	c.record(c.by, Entry{Effect: PackageUploaded, ID: documentID, Name: id + " " + version})
	if existing != nil {
		c.documents["packages"].replace(d)
		return ok(c.show(k, d))
	}
	c.documents["packages"].add(d)
	return created(c.show(k, d))
}

func uploadedFile(contentType string, data []byte) (name string, content []byte, err error) {
	mediaType, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || !strings.HasPrefix(mediaType, "multipart/") {
		return "", nil, fmt.Errorf("expected multipart/form-data with a file, got %q", contentType)
	}
	reader := multipart.NewReader(bytes.NewReader(data), parameters["boundary"])
	for {
		part, err := reader.NextPart()
		if err != nil {
			return "", nil, fmt.Errorf("looking for a file in the form: %w", err)
		}
		if part.FileName() == "" {
			continue
		}
		if content, err = io.ReadAll(part); err != nil {
			return "", nil, fmt.Errorf("reading the uploaded file: %w", err)
		}
		return path.Base(part.FileName()), content, nil
	}
}

func (s *Server) removePackage(id string) {
	if d := s.documents["packages"].get(id); d != nil {
		s.documents["packages"].remove(id)
		delete(s.packages, d.id())
	}
}

// newestPackage is the version uploaded last, or "".
func (s *Server) newestPackage(id string) string {
	version := ""
	for _, d := range s.documents["packages"].order {
		if strings.EqualFold(d.text("PackageId"), id) {
			version = d.text("Version")
		}
	}
	return version
}
