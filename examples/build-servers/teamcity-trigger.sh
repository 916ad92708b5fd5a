#!/bin/sh
# A TeamCity build step, of a file or pasted as a custom script.
set -eu
regrow trigger --pipeline hello-world --no-git \
	--repository acme/hello-world \
	--ref "$BRANCH_REF" \
	--commit "$BUILD_VCS_NUMBER" \
	--version "$BUILD_NUMBER" \
	--idempotency-key "teamcity-$BUILD_ID" \
	--wait --timeout 45m
