-- A day of the policy is one of UTC, whatever the session of the caller calls one: a time zone of its own making (POSIX) moved the bound by two weeks.
ALTER FUNCTION "audit_remove_chain"(text, text, timestamptz, text) SET TimeZone = 'UTC';
ALTER FUNCTION "audit_forget_before"(timestamptz, integer) SET TimeZone = 'UTC';
