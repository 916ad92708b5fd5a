package octopus

import (
	"bytes"
	"fmt"
	"mime/multipart"
)

// fileForm returns a form with one file, as Octopus takes uploads.
func fileForm(name string, content []byte) (form []byte, contentType string, err error) {
	var out bytes.Buffer
	writer := multipart.NewWriter(&out)
	part, err := writer.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		return nil, "", fmt.Errorf("writing the form: %w", err)
	}
	return out.Bytes(), writer.FormDataContentType(), nil
}
