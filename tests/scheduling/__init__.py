"""A machine and its people, played at random; and the rules of docs/scheduling.md, checked slowly and plainly."""
