"""Floor 5: the main job on one page. The same prompts on the same noise, unguarded and guarded, measured."""
