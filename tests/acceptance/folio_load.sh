#!/bin/sh
# Loads one file through FOLIO's data import, with curl and jq alone: folio_load.sh URL TENANT TOKEN FILE
# Prints the job execution as it ended.
set -eu
url=$1 tenant=$2 token=$3 file=$4
profile='{"id": "e34d7b92-9b83-11eb-a8b3-0242ac130003", "name": "Default", "dataType": "MARC"}'

ask() {
    method=$1 path=$2
    shift 2
    curl --silent --show-error --fail-with-body --max-time 30 --request "$method" "$url$path" \
        --header "x-okapi-tenant: $tenant" --header "x-okapi-token: $token" "$@"
}

named=$(jq --null-input --arg name "$(basename "$file")" '{fileDefinitions: [{name: $name}]}')
definition=$(ask POST /data-import/uploadDefinitions --json "$named")
id=$(echo "$definition" | jq --raw-output .id)
sent=$(echo "$definition" | jq --raw-output '.fileDefinitions[0].id')
job=$(echo "$definition" | jq --raw-output '.fileDefinitions[0].jobExecutionId')

loaded=$(ask POST "/data-import/uploadDefinitions/$id/files/$sent" \
    --header 'Content-Type: application/octet-stream' --data-binary "@$file")
body=$(echo "$loaded" | jq --argjson profile "$profile" '{uploadDefinition: ., jobProfileInfo: $profile}')
ask POST "/data-import/uploadDefinitions/$id/processFiles?defaultMapping=true" --json "$body"

while :; do
    found=$(ask GET "/change-manager/jobExecutions/$job")
    case $(echo "$found" | jq --raw-output .status) in
    COMMITTED | ERROR | DISCARDED | CANCELLED) break ;;
    esac
    sleep 0.1
done
echo "$found"
