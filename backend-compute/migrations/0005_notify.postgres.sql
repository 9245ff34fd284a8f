-- Tells every process that listens what became of which job: a word and the job's id, nothing else,
-- since whoever may connect may listen.
CREATE FUNCTION darkroom_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM pg_notify('darkroom_jobs', 'due ' || NEW.id);
    ELSIF NEW.cancel <> OLD.cancel THEN
        PERFORM pg_notify('darkroom_jobs', 'cancelled ' || NEW.id);
    ELSIF OLD.state = 'running' AND NEW.state <> 'running' THEN
        -- It waits again, or its vault has none running now.
        PERFORM pg_notify('darkroom_jobs', 'due ' || NEW.id);
    ELSIF NEW.state <> OLD.state OR NEW.attempts <> OLD.attempts OR NEW.progress <> OLD.progress THEN
        PERFORM pg_notify('darkroom_jobs', 'changed ' || NEW.id);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER darkroom_tell AFTER INSERT OR UPDATE ON jobs
    FOR EACH ROW EXECUTE FUNCTION darkroom_tell();
