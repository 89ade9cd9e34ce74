"""How the miniature is made: `stages.build` runs its stages from drawn pictures to a folder that ships."""
