#!/bin/sh
# A TeamCity build step, of a file or pasted as a custom script.
set -eu
sh ci/notify.sh \
	--id "teamcity-$BUILD_ID" \
	--repository acme/hello-world \
	--ref "$BRANCH_REF" \
	--commit "$BUILD_VCS_NUMBER" \
	--version "$BUILD_NUMBER" \
	--url "${BUILD_URL:-}"
