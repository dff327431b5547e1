//! Everything that decides: profiles, configuration, detection, plans and their execution.
