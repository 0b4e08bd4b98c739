"""What a network looks for: inputs made by going uphill on what its units answer, pictures dreamt on and restyled."""
