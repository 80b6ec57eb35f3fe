"""The demonstration: real servers, realistic models, one gateway."""
