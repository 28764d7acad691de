# shellcheck shell=bash
# The notebook image, built as an admin builds it, under names that no real hub uses.

# ensure_notebook_image CACHE: TF29HUB_TEST_IMAGE_STATE is then a state folder that holds the image's pin.
ensure_notebook_image() {
  local folder=$1/notebook
  mkdir -p "$folder/config" "$folder/state"
  printf 'name: tf29tests\nimage: {repository: tf29tests/notebook, ca_into_image: true}\n' >"$folder/config/hub.yaml"
  TF29HUB_CONFIG=$folder/config TF29HUB_STATE=$folder/state TF29HUB_LOGS=$folder tf29hub image build
  export TF29HUB_TEST_IMAGE_STATE=$folder/state
}
